package chaos

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// ledger records what the policies demanded when. A demand begins when the API server shows
// the status of a version that says so, and ends before that version is changed.
type ledger struct {
	mu       sync.Mutex
	policies map[string]*record
	// unguarded has the times in which somebody held back requests from shmkeeper.
	unguarded []span
}

// record is what is known of one policy.
type record struct {
	demands []demand // in order of time
	latest  *v1alpha1.SharedMemoryPolicy
	// The version that was written last; no generation while a write is under way.
	uid        types.UID
	generation int64
}

// demand is that Pods meet any of some needs, from a time on. Without needs nothing is demanded.
type demand struct {
	from  time.Time
	anyOf []need
}

// span is a time from begin to end; no end means that it lasts.
type span struct{ begin, end time.Time }

func (l *ledger) record(policy string) *record {
	if l.policies == nil {
		l.policies = map[string]*record{}
	}
	if l.policies[policy] == nil {
		l.policies[policy] = &record{}
	}
	return l.policies[policy]
}

func (r *record) now() []need {
	if len(r.demands) == 0 {
		return nil
	}
	return r.demands[len(r.demands)-1].anyOf
}

// changing notes that a policy is about to be written, with other needs: until the status shows
// the new version a Pod may meet the old ones or these.
func (l *ledger) changing(policy string, at time.Time, to need) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.record(policy)
	r.generation = 0
	if old := r.now(); len(old) > 0 {
		r.demands = append(r.demands, demand{at, append(slices.Clone(old), to)})
	}
}

// releasing notes that a policy is about to be deleted, or made invalid.
func (l *ledger) releasing(policy string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.record(policy)
	r.generation = 0
	r.demands = append(r.demands, demand{from: at})
}

// written notes which version the API server has stored.
func (l *ledger) written(p *v1alpha1.SharedMemoryPolicy, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.record(p.Name)
	r.uid, r.generation = p.UID, p.Generation
	r.look(at)
}

// seen notes what the API server shows of a policy.
func (l *ledger) seen(p *v1alpha1.SharedMemoryPolicy, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.record(p.Name)
	r.latest = p
	r.look(at)
}

// look begins a demand if the version that was written last is what the status is about.
func (r *record) look(at time.Time) {
	p := r.latest
	if p == nil || p.UID != r.uid || p.Generation != r.generation {
		return
	}
	if !inForce(p) {
		if withdrawn(p) && len(r.now()) > 0 {
			r.demands = append(r.demands, demand{from: at})
		}
		return
	}
	n, err := needOf(p)
	if err != nil || slices.Equal(r.now(), []need{n}) {
		return // who has written it knows whether it has figures
	}
	r.demands = append(r.demands, demand{at, []need{n}})
}

// demanded returns what a policy demands now, if that is one need.
func (l *ledger) demanded(policy string) need {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.record(policy).now(); len(now) == 1 {
		return now[0]
	}
	return need{}
}

// inForce reports whether the status says of the current version that it is accepted and that
// Pods are sent.
func inForce(p *v1alpha1.SharedMemoryPolicy) bool {
	for _, name := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionMatchConditionCurrent} {
		c := meta.FindStatusCondition(p.Status.Conditions, name)
		if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != p.Generation {
			return false
		}
	}
	return true
}

// withdrawn reports whether the status says of the current version that it is not accepted, or that
// Pods may not be sent.
func withdrawn(p *v1alpha1.SharedMemoryPolicy) bool {
	for _, name := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionMatchConditionCurrent} {
		c := meta.FindStatusCondition(p.Status.Conditions, name)
		if c != nil && c.Status == metav1.ConditionFalse && c.ObservedGeneration == p.Generation {
			return true
		}
	}
	return false
}

// tampering notes that requests are about to be held back from shmkeeper.
func (l *ledger) tampering(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unguarded = append(l.unguarded, span{begin: at})
}

// restored notes that they no longer are.
func (l *ledger) restored(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unguarded[len(l.unguarded)-1].end = at
}

// during returns what a policy demanded at least of a Pod that was created between two times:
// any of the needs suffices, none means that nothing was demanded at some time.
func (l *ledger) during(policy string, from, to time.Time) (anyOf []need) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.unguarded {
		if s.begin.Before(to) && (s.end.IsZero() || s.end.After(from)) {
			return nil
		}
	}
	demands := l.record(policy).demands
	for i, d := range demands {
		if d.from.After(to) || i+1 < len(demands) && !demands[i+1].from.After(from) {
			continue
		}
		if len(d.anyOf) == 0 || d.from.After(from) && i == 0 {
			return nil
		}
		for _, n := range d.anyOf {
			if !slices.Contains(anyOf, n) {
				anyOf = append(anyOf, n)
			}
		}
	}
	return anyOf
}

func TestLedger(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	policy := func(generation, observed int64, size string) *v1alpha1.SharedMemoryPolicy {
		p := fixedPolicy("p", `podSelector: {matchLabels: {app: p}}`, size)
		p.UID, p.Generation = "u", generation
		for _, name := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionMatchConditionCurrent} {
			p.Status.Conditions = append(p.Status.Conditions, metav1.Condition{Type: name, Status: metav1.ConditionTrue, ObservedGeneration: observed})
		}
		return &p
	}
	old, new := need{64 * mib}, need{128 * mib}
	l := &ledger{}
	l.changing("p", at(1), old)
	l.seen(policy(1, 0, "64Mi"), at(2))
	l.written(policy(1, 0, "64Mi"), at(3))
	l.seen(policy(1, 1, "64Mi"), at(10))
	l.changing("p", at(20), new)
	l.seen(policy(1, 1, "64Mi"), at(21)) // late
	l.seen(policy(2, 2, "128Mi"), at(22))
	l.written(policy(2, 1, "128Mi"), at(30)) // its answer comes after the status
	l.tampering(at(40))
	l.restored(at(50))
	no := policy(2, 2, "128Mi")
	no.Status.Conditions[1].Status = metav1.ConditionFalse
	l.seen(no, at(70))
	l.seen(policy(2, 2, "128Mi"), at(80))
	l.releasing("p", at(90))
	for name, c := range map[string]struct {
		from, to int
		want     []need
	}{
		"before there is a policy":           {0, 1, nil},
		"before the status says so":          {4, 12, nil},
		"the first version":                  {10, 19, []need{old}},
		"begun before a change":              {11, 25, []need{old, new}},
		"within a change":                    {23, 25, []need{old, new}},
		"begun in a change":                  {29, 35, []need{old, new}},
		"the second version":                 {30, 39, []need{new}},
		"begun before tampering":             {30, 41, nil},
		"in between":                         {41, 42, nil},
		"begun before the end":               {49, 55, nil},
		"restored":                           {50, 55, []need{new}},
		"the status says that it is not":     {70, 75, nil},
		"begun while it said so":             {75, 85, nil},
		"the status says so again":           {80, 85, []need{new}},
		"deleted while the Pod is created":   {85, 91, nil},
		"deleted":                            {91, 92, nil},
		"of another version, long after all": {100, 101, nil},
	} {
		if diff := cmp.Diff(c.want, l.during("p", at(c.from), at(c.to)), cmp.AllowUnexported(need{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := l.during("unknown", at(0), at(100)); got != nil {
		t.Errorf("an unknown policy demands %v", got)
	}
}

package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// outcome represents how a creation ended.
type outcome string

const (
	admitted outcome = "admitted"
	// rejected by shmkeeper, in words of its own.
	rejected outcome = "rejected"
	// uncalled: shmkeeper could not be called.
	uncalled outcome = "not called"
	// failed for something that is not about shmkeeper.
	failed outcome = "failed"
)

// creation is one request of the stream.
type creation struct {
	kind       kind
	name       string
	begin, end time.Time // no end while it is not answered
	outcome    outcome
	message    string
	// overtaken: its policy was changed between its begin and its end. It may be fixed by one version
	// and judged by the other.
	overtaken bool
	// stalled: meanwhile a Pod that is not sent to anybody took long, too.
	stalled bool
}

// A webhook has 2 s, and one that fails closed 5 s. If the API server needs more than half of the
// former for a Pod that it sends to nobody, the machine has no processor to spare, and a call that
// runs out of time says nothing about shmkeeper.
const (
	shortestTimeout = 2 * time.Second
	stall           = shortestTimeout / 2
)

// showsStall reports whether the creation was slow, though nobody was asked about it.
func (c *creation) showsStall() bool { return c.kind.mode == "" && c.end.Sub(c.begin) > stall }

// markStalls marks the creations that were late together with others that nobody was asked about,
// and returns how many of them were not admitted.
func markStalls(creations []creation) (excused int) {
	for i := range creations {
		late := &creations[i]
		if late.end.Sub(late.begin) < shortestTimeout {
			continue
		}
		late.stalled = slices.ContainsFunc(creations, func(c creation) bool {
			return c.showsStall() && c.begin.Before(late.end) && c.end.After(late.begin)
		})
		if late.stalled && late.outcome != admitted {
			excused++
		}
	}
	return excused
}

func outcomeOf(err error) outcome {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return admitted
	case !strings.Contains(err.Error(), "shmkeeper"):
		return failed
	case errors.As(err, &status) && status.Status().Code == 403:
		return rejected
	default:
		return uncalled
	}
}

// allowance says what may happen while a scenario lasts.
type allowance struct {
	// rejects: Pods may be rejected that shmkeeper fixes, in mode enforce.
	rejects bool
	// outage: the API server may fail.
	outage bool
	// elsewhere: somebody has Pods of other modes judged like those of mode enforce.
	elsewhere bool
}

// wrong says what is wrong with how a creation ended; "" if nothing is.
func (c *creation) wrong(may allowance) string {
	switch {
	case c.outcome == failed && may.outage:
		return ""
	case c.outcome == failed:
		return "it failed, and the API server was up"
	case c.stalled && c.kind.guarded():
		return ""
	case !c.kind.guarded() && c.outcome != admitted && !may.elsewhere:
		return "shmkeeper kept a Pod from being created that it must not"
	case c.kind.guarded() && !c.kind.disk && c.outcome != admitted && !may.rejects && !(c.overtaken && c.outcome == rejected):
		return "a Pod was rejected that shmkeeper fixes"
	}
	return "" // of a Pod that cannot be fixed the API server's store says whether it was admitted
}

// figures are what a scenario measured.
type figures struct {
	// rejected and created are Pods that shmkeeper fixes.
	rejected, created int
	// outage is from the first of them that was not created to the last.
	outage time.Duration
	// recovery is from the end of the fault to the first creation after which all went well.
	recovery time.Duration
	// unjudged is how long Pods were not sent to shmkeeper, as somebody had tampered.
	unjudged time.Duration
}

// enough is how many creations in a row have to go well for a recovery.
const enough = 10

// recovered reports whether all went well lately, and since when: the first of at least enough
// creations of guarded Pods, begun after a time, after the last one that failed.
func recovered(creations []creation, after time.Time) (since time.Time, ok bool) {
	inOrder(creations)
	good := 0
	for i := range creations {
		c := &creations[i]
		if c.begin.Before(after) {
			continue
		}
		if c.wrong(allowance{}) != "" {
			good, since = 0, time.Time{}
			continue
		}
		if !c.kind.guarded() || c.kind.disk {
			continue
		}
		if good == 0 {
			since = c.begin
		}
		good++
	}
	return since, good >= enough
}

func inOrder(creations []creation) {
	slices.SortFunc(creations, func(a, b creation) int { return cmp.Compare(a.begin.UnixNano(), b.begin.UnixNano()) })
}

// summarize counts creations, in order of their beginnings, and names those that went wrong: before
// a recovery a scenario may allow more than after it.
func summarize(creations []creation, recovery time.Time, may allowance) (f figures, faults []string) {
	var first, last time.Time
	inOrder(creations)
	for i := range creations {
		c := &creations[i]
		now := allowance{}
		if c.begin.Before(recovery) {
			now = may
		}
		if why := c.wrong(now); why != "" {
			faults = append(faults, fmt.Sprintf("%s: %s: %s after %s: %s",
				c.name, why, c.outcome, c.end.Sub(c.begin).Round(time.Millisecond), c.message))
		}
		if !c.kind.guarded() || c.kind.disk {
			continue
		}
		if c.outcome == admitted {
			f.created++
			continue
		}
		f.rejected++
		if first.IsZero() {
			first = c.begin
		}
		last = c.end
	}
	f.outage = last.Sub(first)
	return f, faults
}

func TestCreation_Wrong(t *testing.T) {
	const (
		down    = "it failed, and the API server was up"
		kept    = "shmkeeper kept a Pod from being created that it must not"
		fixable = "a Pod was rejected that shmkeeper fixes"
	)
	all := map[string]kind{}
	for _, k := range kinds {
		all[k.name] = k
	}
	for sentence, c := range map[string]struct {
		kind    string
		outcome outcome
		may     allowance
		want    string
	}{
		"admitted":                                   {"enforced", admitted, allowance{}, ""},
		"rejected, though it could be fixed":         {"enforced", rejected, allowance{}, fixable},
		"not called":                                 {"enforced-changing", uncalled, allowance{outage: true}, fixable},
		"rejected while it may be":                   {"enforced", rejected, allowance{rejects: true}, ""},
		"rejected, as its policy changed":            {"enforced overtaken", rejected, allowance{}, ""},
		"not called, and its policy changed":         {"enforced overtaken", uncalled, allowance{}, fixable},
		"rejected for its disk":                      {"enforced-disk", rejected, allowance{}, ""},
		"admitted with its disk, which others judge": {"enforced-disk", admitted, allowance{}, ""},
		"rejected in mode warn":                      {"warned-disk", rejected, allowance{rejects: true, outage: true}, kept},
		"not called for what no policy matches":      {"unmatched", uncalled, allowance{rejects: true, outage: true}, kept},
		"rejected elsewhere, by somebody's edit":     {"unlabelled-disk", rejected, allowance{elsewhere: true}, ""},
		"failed on its own":                          {"warned", failed, allowance{rejects: true}, down},
		"failed in an outage":                        {"warned", failed, allowance{outage: true}, ""},
	} {
		name, overtaken := strings.CutSuffix(c.kind, " overtaken")
		created := creation{kind: all[name], outcome: c.outcome, overtaken: overtaken}
		if got := created.wrong(c.may); got != c.want {
			t.Errorf("%s: got %q, want %q", sentence, got, c.want)
		}
	}
}

func TestMarkStalls(t *testing.T) {
	unsent := kinds[len(kinds)-1]
	if unsent.mode != "" {
		t.Fatalf("%s is sent to shmkeeper", unsent.name)
	}
	of := func(k kind, begin, end int, o outcome) creation {
		return creation{kind: k, begin: time.UnixMilli(int64(begin)), end: time.UnixMilli(int64(end)), outcome: o}
	}
	creations := []creation{
		of(unsent, 10_000, 11_500, admitted),
		of(unsent, 20_000, 20_900, admitted), // not slow
		of(kinds[0], 9_000, 11_000, uncalled),
		of(kinds[0], 11_000, 13_500, admitted),
		of(kinds[0], 10_500, 11_000, rejected), // in time
		of(kinds[0], 11_600, 14_000, rejected), // after the stall
		of(kinds[0], 19_000, 23_000, uncalled),
	}
	if got := markStalls(creations); got != 1 {
		t.Errorf("%d are excused, want 1", got)
	}
	var got []bool
	for i := range creations {
		got = append(got, creations[i].stalled)
	}
	if diff := gocmp.Diff([]bool{false, false, true, true, false, false, false}, got); diff != "" {
		t.Errorf("stalled (-want +got):\n%s", diff)
	}
	if why := creations[2].wrong(allowance{}); why != "" {
		t.Errorf("a stalled one: %s", why)
	}
	if why := creations[5].wrong(allowance{}); why == "" {
		t.Error("one after the stall is excused")
	}
}

func TestOutcomeOf(t *testing.T) {
	status := func(code int32, message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Message: message}}
	}
	for want, err := range map[outcome]error{
		admitted: nil,
		rejected: status(403, `admission webhook "enforce.pods.shmkeeper.dev" denied the request: violates`),
		uncalled: status(500, `failed calling webhook "enforce.pods.shmkeeper.dev": connection refused`),
		failed:   status(500, "etcdserver: request timed out"),
	} {
		if got := outcomeOf(err); got != want {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
	if got := outcomeOf(errors.New("connection refused")); got != failed {
		t.Errorf("an API server that is gone: got %s", got)
	}
}

// One creation a second: the fifth to the eighth are rejected.
func TestSummarize(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	var creations []creation
	for i := range 30 {
		c := creation{kind: kinds[0], name: fmt.Sprintf("p-%d", i), begin: at(i), end: at(i + 1), outcome: admitted}
		if 5 <= i && i < 9 {
			c.outcome, c.message = uncalled, "refused"
		}
		creations = append([]creation{c}, creations...)
	}
	since, ok := recovered(creations, at(6))
	if !ok || !since.Equal(at(9)) {
		t.Errorf("recovered %t at %s, want at the ninth second", ok, since)
	}
	if _, ok := recovered(creations[:9+enough-1], at(6)); ok {
		t.Error("too few went well for a recovery")
	}
	got, faults := summarize(creations, since, allowance{rejects: true})
	want := figures{rejected: 4, created: 26, outage: 4 * time.Second}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(figures{})); diff != "" || len(faults) > 0 {
		t.Errorf("(-want +got):\n%s\nfaults: %q", diff, faults)
	}
	if _, faults := summarize(creations, at(7), allowance{rejects: true}); len(faults) != 2 ||
		faults[0] != "p-7: a Pod was rejected that shmkeeper fixes: not called after 1s: refused" {
		t.Errorf("after the recovery: %q", faults)
	}
	if _, faults := summarize(creations, since, allowance{}); len(faults) != 4 {
		t.Errorf("without an allowance: %q", faults)
	}
}

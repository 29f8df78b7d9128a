package monitor

import (
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// filesPolicy returns a policy of files for the Pods of podOn.
func filesPolicy(perMinute, retention string) *v1alpha1.SharedMemoryPolicy {
	p := policytest.AppPolicy("sessions", "a")
	p.Spec.Sizing = &v1alpha1.Sizing{Files: &v1alpha1.Files{
		CreatedPerMinute: perMinute, Retention: new(v1alpha1.Duration(retention)), FileSize: resource.MustParse("1500"),
	}}
	return p
}

func (b *bench) observed() []v1alpha1.Observation {
	b.t.Helper()
	var p v1alpha1.SharedMemoryPolicy
	if err := b.client.Get(b.t.Context(), client.ObjectKey{Name: "sessions"}, &p); err != nil {
		b.t.Fatal(err)
	}
	return p.Status.Observed
}

// Two Pods of one workload, of which one has three times the traffic of the other: the status has
// the busier one, and what its volume is.
func TestMonitor_Status(t *testing.T) {
	b := newBench(t, 0, []*v1alpha1.SharedMemoryPolicy{filesPolicy("2", "24h")},
		nodeNamed("node-1", "10.0.0.1"), podOn("node-1", "one"), podOn("node-1", "two"))
	play := func(minutes int) {
		for range minutes {
			at := b.now.Sub(began).Minutes()
			b.kubelets["node-1"] = []usage.PodSummary{says("one", b.now, int64(at)*6*4096), says("two", b.now, int64(at)*18*4096)}
			b.measure()
			b.now = b.now.Add(time.Minute)
		}
	}
	play(361)
	observed := b.observed()
	if len(observed) != 1 || observed[0].Namespace != "apps" || observed[0].Workload != "StatefulSet/store" {
		t.Fatalf("the status has %+v; want one observation of the StatefulSet", observed)
	}
	o := observed[0]
	if rate, err := strconv.ParseFloat(o.CreatedPerMinute, 64); err != nil || math.Abs(rate-18) > 0.2 {
		t.Errorf("the rate is %q; want 18", o.CreatedPerMinute)
	}
	if o.FileSize.String() != "4Ki" || o.Retention != nil {
		t.Errorf("files of %s, kept %v; want 4Ki, and no file has expired", o.FileSize, o.Retention)
	}
	// 18 a minute for a day need 102 MiB, and 128 MiB with headroom and chance: 64 are too few.
	if o.Recommendation != v1alpha1.RecommendTooSmall || o.SizeLimit.Value() < 120*mib || o.SizeLimit.Value() > 140*mib {
		t.Errorf("%s, with %s; want TooSmall, with about 130Mi", o.Recommendation, o.SizeLimit)
	}
	if last := o.LastObserved; last == nil || b.now.Sub(last.Time) > refreshAfter+longestLearning {
		t.Errorf("last observed %v at %s", last, b.now)
	}

	// The next leader knows nothing, and takes nothing away.
	b.lead(0)
	play(1)
	if again := b.observed(); len(again) != 1 || again[0].CreatedPerMinute != o.CreatedPerMinute {
		t.Errorf("with another leader the status has %+v; want what was learned", again)
	}
	// What was learned outlives the last Pod by a week.
	for _, name := range []string{"one", "two"} {
		if err := b.client.Delete(t.Context(), podOn("node-1", name)); err != nil {
			t.Fatal(err)
		}
	}
	b.kubelets["node-1"] = nil
	b.now = b.now.Add(6 * 24 * time.Hour)
	b.measure()
	if n := len(b.observed()); n != 1 {
		t.Errorf("six days after the last Pod the status has %d observations; want 1", n)
	}
	b.now = b.now.Add(2 * 24 * time.Hour)
	b.measure()
	if n := len(b.observed()); n != 0 {
		t.Errorf("eight days after the last Pod the status has %d observations; want none", n)
	}
}

// Under a policy that names the size, a day's peak says whether it is right.
func TestMonitor_StatusOfAFixedSize(t *testing.T) {
	b := newBench(t, 0, []*v1alpha1.SharedMemoryPolicy{policytest.AppPolicy("sessions", "a")}, nodeNamed("node-1", "10.0.0.1"), podOn("node-1", "one"))
	for range 25 * 12 {
		b.kubelets["node-1"] = []usage.PodSummary{says("one", b.now, 5*mib)}
		b.measure()
		if o := b.observed(); b.now.Sub(began) < 23*time.Hour && len(o) == 1 && o[0].Recommendation != "" {
			t.Fatalf("after %s the recommendation is %s; want none before a day is over", b.now.Sub(began), o[0].Recommendation)
		}
		b.now = b.now.Add(5 * time.Minute)
	}
	o := b.observed()
	if len(o) != 1 || o[0].Peak.String() != "5Mi" || o[0].Recommendation != v1alpha1.RecommendRight || o[0].SizeLimit.String() != "64Mi" {
		t.Errorf("the status has %+v; want a peak of 5Mi, for which the least that the policy gives, 64Mi, is right", o)
	}
}

// A status has room for 20 workloads: those that are too small come first.
func TestObservations_TheMostUrgent(t *testing.T) {
	compiled, errs := policy.Compile(policytest.AppPolicy("sessions", "a"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	all := map[workload]*learned{}
	for i := range 40 {
		l := &learned{peak: int64(i+60) * mib, observed: 48 * time.Hour, smallest: 1024 * mib, last: began}
		if i < 3 {
			l.smallest = mib
		}
		all[workload{"apps", fmt.Sprintf("StatefulSet/s%02d", i)}] = l
	}
	out := observations(compiled, began, nil, all)
	if len(out) != mostObservations {
		t.Fatalf("%d observations; want %d", len(out), mostObservations)
	}
	for i := range out[:3] {
		if out[i].Recommendation != v1alpha1.RecommendTooSmall {
			t.Errorf("observation %d is %+v; want the ones that are too small first", i, out[i])
		}
	}
	if out[3].Workload != "StatefulSet/s39" {
		t.Errorf("after them comes %s; want the largest", out[3].Workload)
	}
}

func TestDecimalAndDuration_AsPoliciesTakeThem(t *testing.T) {
	for f, want := range map[float64]string{18.04: "18.0", 0.5: "0.500", 0.012345: "0.0123", 12345.6: "12346", 1e12: "999999999", 0: "0", math.NaN(): "0", math.Inf(1): "999999999"} {
		if got := decimal(f); got != want {
			t.Errorf("%v: %q; want %q", f, got, want)
		}
	}
	for d, want := range map[time.Duration]v1alpha1.Duration{
		168 * time.Hour: "168h", 90 * time.Minute: "1h30m", 30*time.Minute + 400*time.Millisecond: "1800s", 0: "1s", 167*time.Hour + 59*time.Minute + 40*time.Second: "168h",
	} {
		if got := duration(d); got != want {
			t.Errorf("%s: %q; want %q", d, got, want)
		}
	}
}

package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/internal/usage/learn"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// FieldManager owns status.observed of the policies.
const FieldManager = "shmkeeper-usage"

const (
	// mostObservations is how many a status may have.
	mostObservations = 20
	// forgetAfter is how long what was learned of a workload outlives its last Pod.
	forgetAfter = 7 * 24 * time.Hour
	// refreshAfter is how old lastObserved gets while nothing else changes.
	refreshAfter = time.Hour
	// sameShare is by which part figures may differ and still be taken for the same.
	sameShare = 0.05
	// peakAfter is how long a volume must have been watched for its peak to say how large it should
	// be: a day, and a night.
	peakAfter = 24 * time.Hour
)

// workload is one of a policy.
type workload struct{ namespace, name string }

// learned is what was learned of the Pods of one workload.
type learned struct {
	busiest  learn.Estimate // of those whose rate is known; else zero
	steady   learn.Estimate // the one whose retention is known best; else zero
	peak     int64
	observed time.Duration // the longest
	smallest int64         // volume, in bytes
	last     time.Time
}

// learn returns what was learned, by policy and workload.
func (m *Monitor) learn() map[string]map[workload]*learned {
	out := map[string]map[workload]*learned{}
	for _, v := range m.volumes {
		t := m.tracked[v.VolumeKey]
		if t.series.Len() == 0 {
			continue
		}
		name := v.Policy.Name()
		if out[name] == nil {
			out[name] = map[workload]*learned{}
		}
		w := workload{v.Namespace, v.Workload}
		l := out[name][w]
		if l == nil {
			l = &learned{}
			out[name][w] = l
		}
		l.add(learn.From(t.series, declared(v)), t.series.Last())
	}
	return out
}

func declared(v *usage.Volume) learn.Declared {
	files, page, ok := v.Policy.Files()
	if !ok {
		return learn.Declared{}
	}
	return learn.Declared{
		PageSize: int64(page), BytesPerFile: int64(files.FileSize.RoundUp(page)), Retention: files.Retention, SweepInterval: files.SweepInterval,
	}
}

func (l *learned) add(e learn.Estimate, last usage.Sample) {
	if e.Reliable() && e.CreatedPerMinute > l.busiest.CreatedPerMinute {
		l.busiest = e
	}
	width := func(e *learn.Estimate) float64 {
		return (e.RetentionInterval[1] - e.RetentionInterval[0]).Seconds() / e.Retention.Seconds()
	}
	if e.Retention > 0 && (l.steady.Retention == 0 || width(&e) < width(&l.steady)) {
		l.steady = e
	}
	l.peak = max(l.peak, e.Peak)
	l.observed = max(l.observed, e.Observed)
	if l.smallest == 0 || last.Capacity < l.smallest {
		l.smallest = last.Capacity
	}
	if last.Time.After(l.last) {
		l.last = last.Time
	}
}

// observation returns what the status says of a workload. What was learned of Pods that are gone
// stands until those that are there teach as much.
func (l *learned) observation(w workload, p policy.Policy, before *v1alpha1.Observation) v1alpha1.Observation {
	o := v1alpha1.Observation{
		Namespace: w.namespace, Workload: w.name,
		Peak:         sizing.Bytes(l.peak).RoundUp(sizing.MiB).Quantity(),
		LastObserved: &metav1.Time{Time: l.last.UTC().Truncate(time.Second)},
	}
	if before != nil {
		o.CreatedPerMinute, o.CreatedPerMinuteInterval, o.FileSize, o.Retention = before.CreatedPerMinute, before.CreatedPerMinuteInterval, before.FileSize, before.Retention
		if before.Peak != nil && before.Peak.Cmp(*o.Peak) > 0 {
			o.Peak = before.Peak
		}
	}
	if e := &l.busiest; e.CreatedPerMinute > 0 {
		o.CreatedPerMinute = decimal(e.CreatedPerMinute)
		o.CreatedPerMinuteInterval = decimal(e.Rate.Low) + " to " + decimal(e.Rate.High)
		o.FileSize = resource.NewQuantity(int64(math.Round(e.BytesPerFile)), resource.BinarySI)
	}
	if l.steady.Retention > 0 {
		o.Retention = new(duration(l.steady.Retention))
	}
	if _, _, files := p.Files(); !files && l.observed < peakAfter {
		return o
	}
	if s, ok := p.SizeOf(&o); ok && s.Bounded {
		o.SizeLimit = s.Limit.Quantity()
		o.Recommendation = policy.Recommend(sizing.Bytes(l.smallest), &s)
	}
	return o
}

// decimal returns a positive number as the field createdPerMinute takes it, with three significant
// digits.
func decimal(f float64) string {
	if !(f > 1e-6) {
		return "0"
	}
	digits := max(0, 2-int(math.Floor(math.Log10(f))))
	return strconv.FormatFloat(min(f, 999_999_999), 'f', min(digits, 9), 64)
}

// duration returns a duration as a policy takes it, in whole minutes, or seconds if it is short.
func duration(d time.Duration) v1alpha1.Duration {
	if d < time.Hour {
		return v1alpha1.Duration(fmt.Sprintf("%ds", max(1, int(d.Round(time.Second).Seconds()))))
	}
	minutes := int(d.Round(time.Minute).Minutes())
	if minutes%60 == 0 {
		return v1alpha1.Duration(fmt.Sprintf("%dh", minutes/60))
	}
	return v1alpha1.Duration(fmt.Sprintf("%dh%dm", minutes/60, minutes%60))
}

// observations returns what the status of a policy says of all its workloads: those whose volumes
// are too small first, then those of the largest size.
func observations(p policy.Policy, now time.Time, before []v1alpha1.Observation, all map[workload]*learned) []v1alpha1.Observation {
	old := make(map[workload]*v1alpha1.Observation, len(before))
	var out []v1alpha1.Observation
	for i := range before {
		w := workload{before[i].Namespace, before[i].Workload}
		old[w] = &before[i]
		if last := before[i].LastObserved; all[w] == nil && last != nil && now.Sub(last.Time) < forgetAfter {
			out = append(out, before[i])
		}
	}
	for w, l := range all {
		out = append(out, l.observation(w, p, old[w]))
	}
	size := func(o *v1alpha1.Observation) int64 {
		if o.SizeLimit == nil {
			return 0
		}
		return o.SizeLimit.Value()
	}
	slices.SortFunc(out, func(a, b v1alpha1.Observation) int {
		return cmp.Or(
			-compareBool(a.Recommendation == v1alpha1.RecommendTooSmall, b.Recommendation == v1alpha1.RecommendTooSmall),
			-cmp.Compare(size(&a), size(&b)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Workload, b.Workload),
		)
	})
	return out[:min(len(out), mostObservations)]
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// same reports whether two lists of observations say the same of the same workloads, as far as
// anybody would act on it.
func same(a, b []v1alpha1.Observation) bool {
	if len(a) != len(b) {
		return false
	}
	old := make(map[workload]*v1alpha1.Observation, len(a))
	for i := range a {
		old[workload{a[i].Namespace, a[i].Workload}] = &a[i]
	}
	for i := range b {
		x, y := old[workload{b[i].Namespace, b[i].Workload}], &b[i]
		if x == nil || x.Recommendation != y.Recommendation || x.LastObserved == nil || y.LastObserved == nil ||
			y.LastObserved.Sub(x.LastObserved.Time) >= refreshAfter ||
			!near(number(x.CreatedPerMinute), number(y.CreatedPerMinute)) ||
			!near(amount(x.FileSize), amount(y.FileSize)) || !near(amount(x.Peak), amount(y.Peak)) || !near(amount(x.SizeLimit), amount(y.SizeLimit)) ||
			!near(seconds(x.Retention), seconds(y.Retention)) {
			return false
		}
	}
	return true
}

func near(a, b float64) bool { return a == b || math.Abs(a-b) <= sameShare*max(a, b) && a > 0 && b > 0 }

func number(text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return f
}

func amount(q *resource.Quantity) float64 {
	if q == nil {
		return 0
	}
	return float64(sizing.BytesOf(*q))
}

func seconds(d *v1alpha1.Duration) float64 {
	if d == nil {
		return 0
	}
	parsed, err := time.ParseDuration(string(*d))
	if err != nil {
		return 0
	}
	return parsed.Seconds()
}

// writeStatus writes what was learned into the status of the policies of which it says something
// else.
func (m *Monitor) writeStatus(ctx context.Context, now time.Time) error {
	var list v1alpha1.SharedMemoryPolicyList
	if err := m.o.Reader.List(ctx, &list); err != nil {
		return fmt.Errorf("listing policies: %w", err)
	}
	inForce := map[string]policy.Policy{}
	for _, p := range m.o.View.Policies().Policies() {
		inForce[p.Name()] = p
	}
	all := m.learn()
	var errs []error
	for i := range list.Items {
		source := &list.Items[i]
		compiled, ok := inForce[source.Name]
		if !ok {
			continue
		}
		wanted := observations(compiled, now, source.Status.Observed, all[source.Name])
		if same(source.Status.Observed, wanted) {
			continue
		}
		err := m.apply(ctx, source, wanted)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("policy %q: %w", source.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (m *Monitor) apply(ctx context.Context, p *v1alpha1.SharedMemoryPolicy, wanted []v1alpha1.Observation) error {
	observed := []any{}
	for i := range wanted {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&wanted[i])
		if err != nil {
			return err
		}
		observed = append(observed, content)
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": p.Name, "uid": string(p.UID)},
		"status":   map[string]any{"observed": observed},
	}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	return m.o.Status.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(FieldManager), client.ForceOwnership)
}

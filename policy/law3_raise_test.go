package policy_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The examples of the formulas, with the incident's policy: 897Mi that cost 1164Mi.
func TestEvaluate_TheRaise(t *testing.T) {
	for name, c := range map[string]struct{ own, limit, want string }{
		"no volume": {"", "256Mi", "1420Mi"},
		"a volume of its own with too low a limit": {"897Mi", "1163Mi", "1196Mi"},
		"a volume of its own with a limit":         {"897Mi", "2048Mi", "2048Mi"},
		"the limit is just enough":                 {"897Mi", "1196Mi", "1196Mi"},
		"a limit that is not whole MiB":            {"", "300M", "1450Mi"},
		"a smaller volume":                         {"512Mi", "1Gi", "1524Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{
				policies: []*v1alpha1.SharedMemoryPolicy{filesPolicy("18", "168h", "1500", "", "")},
				pod:      podWithVolume(c.own),
			}
			web := &w.pod.Spec.Containers[0]
			policytest.MemoryLimit(c.limit)(web)
			policytest.MemoryRequest("64Mi")(web)
			e, after := w.evaluate(t)
			got := after.Spec.Containers[0].Resources.Limits.Memory()
			if got.Cmp(*quantity(c.want)) != 0 {
				t.Errorf("the limit becomes %s, want %s\n%s", got, c.want, w.told(&e))
			}
		})
	}
}

// The raised limit grows by at most one MiB for each MiB of limit, and never falls.
func raiseIsMonotone(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.wild, weights.odd, weights.nothing, weights.guaranteed = 7, 0, 0, 0, 1
	weights.twice, weights.spelled, weights.unbounded, weights.unset = 0, 1, 0, 0
	weights.skipped, weights.node, weights.device, weights.noSizing, weights.onlyMem = 0, 0, 0, 0, 1
	weights.unaligned, weights.overrides, weights.guess = 0, 0, 0
	w := genWorld(t, weights)
	if w.policies[0].Spec.Sizing.MemoryPercent != nil {
		w.policies[0].Spec.Sizing = &v1alpha1.Sizing{
			Fixed: &v1alpha1.Fixed{Size: resource.MustParse("256Mi")},
		}
	}
	w.policies[0].Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	w.policies[0].Spec.Mutation = ""
	step := mib * int64(rapid.IntRange(1, 4096).Draw(t, "more"))
	if r := &container(w.pod, "web").Resources; memoryLimit(r) > 0 && w.pod.Spec.Resources == nil &&
		odds(t, "a low limit", 6) {
		r.Limits[corev1.ResourceMemory], r.Requests = resource.MustParse("16Mi"), nil
	}
	more := w.with(w.pod.DeepCopy())
	web := container(more.pod, "web")
	if memoryLimit(&web.Resources) == 0 {
		return
	}
	fillIn(more.pod)
	grow := func(r *corev1.ResourceRequirements) {
		r.Limits[corev1.ResourceMemory] = *resource.NewQuantity(memoryLimit(r)+step, resource.BinarySI)
	}
	if guaranteed := qos(w.pod) == corev1.PodQOSGuaranteed; guaranteed {
		web.Resources.Requests[corev1.ResourceMemory] = *resource.NewQuantity(memoryLimit(&web.Resources)+step, resource.BinarySI)
	}
	grow(&web.Resources)
	if r := more.pod.Spec.Resources; r != nil && memoryLimit(r) > 0 {
		grow(r)
	}
	first, low := w.evaluate(t)
	second, high := more.evaluate(t)
	if first.Outcome == policy.Violating || second.Outcome == policy.Violating {
		return
	}
	was, is := memoryLimit(
		&container(low, "web").Resources,
	), memoryLimit(
		&container(high, "web").Resources,
	)
	if is < was || is-was > step {
		t.Fatalf(
			"with %d more the raised limit goes from %d to %d\n%s\n%s",
			step,
			was,
			is,
			w.told(&first),
			w.told(&second),
		)
	}
	r.Count(
		t,
		"both are raised",
		first.Outcome == policy.Mutated && second.Outcome == policy.Mutated,
	)
	r.Count(t, "the raise differs", is-was < step)
}

func TestEvaluate_TheRaiseIsMonotone(t *testing.T) { check(t, raiseIsMonotone) }
func FuzzLaw3Monotone(f *testing.F)                { fuzz(f, raiseIsMonotone) }

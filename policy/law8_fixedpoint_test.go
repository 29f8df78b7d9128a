package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Law 8: evaluation is a fixed point, and reads nothing that it wrote.

func fixedPoint(t *rapid.T, r *reached) {
	weights := usual
	weights.wild, weights.odd, weights.nothing, weights.at = 1, 0, 1, 3
	weights.skipped, weights.node, weights.limitRange, weights.quota, weights.policies = 0, 0, 1, 1, 1
	weights.onlyMem, weights.podLevel, weights.guaranteed, weights.overrides, weights.noSizing = 1, 2, 2, 1, 0
	weights.second, weights.init, weights.sidecar, weights.device, weights.remount = 4, 3, 3, 0, 1
	weights.podLevel, weights.guaranteed, weights.quota, weights.wild = 1, 1, 0, 0
	weights.excluded, weights.guess = 0, 0
	w := genWorld(t, weights)
	if s := &w.policies[0].Spec; odds(t, "any Pod", 9) {
		s.Match = append(s.Match, v1alpha1.Match{PodSelector: &metav1.LabelSelector{}})
	}
	e, after := w.evaluate(t)
	mutated := e.Outcome == policy.Mutated
	if !mutated && !e.Plan.Empty() {
		t.Fatalf("%s with a plan", w.told(&e))
	}
	rest(t, w, after, "after the plan", mutated)
	changed := ""
	if mutated {
		changed = interfere(t, w, after)
		again, settled := w.with(after).evaluate(t)
		if raised := changed == "raised" || changed == "request"; raised &&
			again.Outcome == policy.Mutated && !w.decidedByMounts(&again) &&
			w.policyOf(&again).Spec.Sizing.MemoryPercent == nil {
			t.Fatalf(
				"another webhook %s, and there is something to do:\n%s",
				changed,
				w.told(&again),
			)
		}
		if again.Outcome == policy.Mutated {
			rest(t, w, settled, "after another webhook "+changed, true)
		}
		r.Count(t, "something to do after another webhook", again.Outcome == policy.Mutated)
	}
	percent := mutated && w.policyOf(&e).Spec.Sizing.MemoryPercent != nil
	r.Count(t, "mutated", mutated)
	r.Count(t, "memoryPercent", percent)
	for _, kind := range []string{"raised", "lowered", "request", "container"} {
		r.Count(t, "another webhook: "+kind, changed == kind)
	}
}

func (w *world) policyOf(e *evaluation) *v1alpha1.SharedMemoryPolicy {
	for _, p := range w.policies {
		if p.Name == e.Policy {
			return p
		}
	}
	return nil
}

// rest fails if there is anything left to do for a Pod that was mutated.
func rest(t *rapid.T, w *world, pod *corev1.Pod, when string, mutated bool) {
	if !mutated {
		return
	}
	e, after := w.with(pod).evaluate(t)
	if w.decidedByMounts(&e) {
		return
	}
	if e.Outcome != policy.Compliant || !e.Plan.Empty() || len(e.Before) > 0 {
		t.Fatalf("%s the outcome is %s", when, w.told(&e))
	}
	if diff := equal(pod, after); diff != "" {
		t.Fatalf("%s a compliant Pod changes:\n%s", when, diff)
	}
}

// decidedByMounts reports whether what a plan mounted decides which policy applies.
func (w *world) decidedByMounts(e *evaluation) bool {
	first, _ := w.deciding()
	return e.Policy != first.Name && w.asksForMounts()
}

// asksForMounts reports whether a policy applies, or does not, because something is mounted.
func (w *world) asksForMounts() bool {
	return slices.ContainsFunc(w.policies, func(p *v1alpha1.SharedMemoryPolicy) bool {
		return slices.ContainsFunc(
			slices.Concat(p.Spec.Match, p.Spec.Exclude),
			func(m v1alpha1.Match) bool { return m.Mounted != nil },
		)
	})
}

// interfere changes a Pod as another webhook does between two calls, and returns how.
func interfere(t *rapid.T, w *world, pod *corev1.Pod) string {
	c := &pod.Spec.Containers[rapid.IntRange(0, len(pod.Spec.Containers)-1).Draw(t, "interfered container")]
	set := func(list *corev1.ResourceList, figure int64) {
		if *list == nil {
			*list = corev1.ResourceList{}
		}
		(*list)[corev1.ResourceMemory] = *resource.NewQuantity(figure, resource.BinarySI)
	}
	limit := memoryLimit(&c.Resources)
	switch how := pick(t, "another webhook", "raised", "request", "lowered", "lowered", "container"); how {
	case "raised":
		if limit == 0 || pod.Spec.Resources != nil || len(w.limitRanges)+len(w.quotas) > 0 {
			return ""
		}
		set(&c.Resources.Limits, plus(limit, mib*int64(rapid.IntRange(1, 2048).Draw(t, "by"))))
		return how
	case "lowered":
		if limit < 2 {
			return ""
		}
		l := max(1, limit/int64(rapid.IntRange(4, 16).Draw(t, "divided by")))
		set(&c.Resources.Limits, l)
		if _, found := c.Resources.Requests[corev1.ResourceMemory]; found {
			set(&c.Resources.Requests, min(l, effectiveRequest(&c.Resources)))
		}
		return how
	case "request":
		request := effectiveRequest(&c.Resources)
		if request < 2 || qos(pod) == corev1.PodQOSGuaranteed ||
			len(w.limitRanges)+len(w.quotas) > 0 {
			return ""
		}
		set(&c.Resources.Requests, request/2)
		return how
	default:
		added := corev1.Container{Name: "late", Image: "nginx"}
		if odds(t, "late has figures", 8) {
			added.Resources = corev1.ResourceRequirements{
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
				Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
			}
		}
		pod.Spec.Containers = append(pod.Spec.Containers, added)
		return how
	}
}

func TestEvaluate_FixedPoint(t *testing.T) { check(t, fixedPoint) }
func FuzzLaw8(f *testing.F)                { fuzz(f, fixedPoint) }

// Nothing that is decided reads an annotation of ours, but for those by which an owner asks for
// something.
func forgedRecords(t *rapid.T, r *reached) {
	weights := usual
	weights.ours, weights.at, weights.wild, weights.limitRange, weights.quota, weights.policies = 16, 8, 1, 3, 3, 2
	w := genWorld(t, weights)
	if odds(t, "after a plan", 6) {
		_, w.pod = w.evaluate(t)
		genForgeries(t, w.pod)
	}
	bare := w.with(w.pod.DeepCopy())
	for name := range bare.pod.Annotations {
		switch name {
		case v1alpha1.AnnotationExempt, v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationRetention,
			v1alpha1.AnnotationFileSize, v1alpha1.AnnotationFilesPerMinute:
		default:
			if strings.HasPrefix(name, "shmkeeper.dev/") {
				delete(bare.pod.Annotations, name)
			}
		}
	}
	e, after := w.evaluate(t)
	want, plain := bare.evaluate(t)
	after.Annotations, plain.Annotations = nil, nil
	if diff := equal(plain, after); diff != "" {
		t.Fatalf("annotations of ours change the plan:\n%s%s", diff, w.told(&e))
	}
	e.Plan, want.Plan = policy.Plan{}, policy.Plan{}
	if diff := cmp.Diff(want, e, exported); diff != "" {
		t.Fatalf("annotations of ours change the evaluation:\n%s", diff)
	}
	for _, o := range []policy.Outcome{policy.Mutated, policy.Violating, policy.Compliant} {
		r.Count(t, string(o), e.Outcome == o)
	}
}

var exported = cmp.Exporter(func(reflect.Type) bool { return true })

func TestEvaluate_ForgedRecords(t *testing.T) { check(t, forgedRecords) }
func FuzzLaw8Forged(f *testing.F)             { fuzz(f, forgedRecords) }

package policy_test

import (
	"encoding/json"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Law 5: what the API server would have accepted it still accepts.

func validStaysValid(t *rapid.T, r *reached) {
	weights := usual
	weights.limitRange, weights.quota, weights.wild, weights.device = 13, 12, 1, 2
	weights.init, weights.sidecar, weights.second, weights.at, weights.odd = 3, 3, 3, 3, 0
	weights.skipped, weights.node, weights.guess, weights.noSizing, weights.guaranteed = 0, 0, 0, 0, 4
	weights.onlyMem, weights.podLevel, weights.unset = 1, 5, 5
	w := genWorld(t, weights)
	p := w.policies[0]
	p.Spec.Match, p.Spec.Exclude, p.Spec.Mutation = []v1alpha1.Match{
		{PodSelector: &metav1.LabelSelector{}},
	}, nil, ""
	e, after := w.evaluate(t)
	mutated := e.Outcome == policy.Mutated
	valid := invalid(w.pod) == ""
	if why := invalid(after); valid && why != "" {
		t.Fatalf("the Pod becomes invalid: %s\n%s", why, w.told(&e))
	}
	if was, is := qos(w.pod), qos(after); was != is {
		t.Fatalf("the Pod was %s and becomes %s\n%s", was, is, w.told(&e))
	}
	admitted := valid && limitRanger(w.pod, w.limitRanges) == "" && !overQuota(w.pod, w.quotas)
	if admitted && mutated {
		if why := limitRanger(after, w.limitRanges); why != "" {
			t.Fatalf("the LimitRange does not admit the plan: %s\n%s", why, w.told(&e))
		}
		if overQuota(after, w.quotas) {
			t.Fatalf("the quota does not admit the plan\n%s", w.told(&e))
		}
	}
	for _, violations := range [][]policy.Violation{e.Before, e.After} {
		if len(violations) > 0 &&
			!slices.ContainsFunc(
				violations,
				func(v policy.Violation) bool { return v.Reason != policy.ExceedsQuota },
			) {
			t.Fatalf("a quota is the only ground of a refusal\n%s", w.told(&e))
		}
	}
	_, ratio := maxAndRatio(w)
	r.Count(t, "a valid Pod is mutated", valid && mutated)
	r.Count(t, "Guaranteed", mutated && qos(w.pod) == corev1.PodQOSGuaranteed)
	r.Count(t, "Burstable", mutated && qos(w.pod) == corev1.PodQOSBurstable)
	r.Count(t, "BestEffort", mutated && qos(w.pod) == corev1.PodQOSBestEffort)
	r.Count(t, "pod-level figures", mutated && w.pod.Spec.Resources != nil)
	r.Count(t, "a LimitRange admits the plan", mutated && admitted && len(w.limitRanges) > 0)
	r.Count(t, "a ratio", mutated && admitted && ratio)
	r.Count(t, "a LimitRange does not", has(e.After, policy.ExceedsLimitRange))
	r.Count(t, "a quota admits the plan", mutated && admitted && len(w.quotas) > 0)
	r.Count(t, "a quota does not", has(e.After, policy.ExceedsQuota))
}

func maxAndRatio(w *world) (most, ratio bool) {
	for _, lr := range w.limitRanges {
		for _, item := range lr.Spec.Limits {
			most, ratio = most || item.Max != nil, ratio || item.MaxLimitRequestRatio != nil
		}
	}
	return most, ratio
}

func TestEvaluate_ValidStaysValid(t *testing.T) { check(t, validStaysValid) }
func FuzzLaw5(f *testing.F)                     { fuzz(f, validStaysValid) }

// A LimitRange's ratio over the whole Pod raises no request beyond the pod-level limit, which would
// make the Pod invalid.
func TestEvaluate_RatioWithinThePodLevelLimit(t *testing.T) {
	pod := &corev1.Pod{}
	const spec = `{"initContainers":[{"name":"proxy","image":"nginx","restartPolicy":"Always",
		"resources":{"limits":{"memory":"256Mi"},"requests":{"memory":"100001"}}}],
		"containers":[{"name":"web","image":"nginx","resources":{"limits":{"memory":"256Mi"},"requests":{"memory":"256Mi"}}}],
		"resources":{"limits":{"memory":"268535457"}}}`
	if err := json.Unmarshal([]byte(spec), &pod.Spec); err != nil {
		t.Fatal(err)
	}
	ratio := corev1.LimitRangeItem{
		Type: corev1.LimitTypePod, MaxLimitRequestRatio: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1")},
	}
	w := &world{
		policies: []*v1alpha1.SharedMemoryPolicy{fixedPolicy("256Mi")}, pod: pod,
		limitRanges: []*corev1.LimitRange{{
			ObjectMeta: metav1.ObjectMeta{Name: "limits"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{ratio}},
		}},
	}
	e, after := w.evaluate(t)
	if why := invalid(after); why != "" {
		t.Errorf("the Pod becomes invalid: %s\n%s", why, w.told(&e))
	}
	if !has(e.After, policy.ExceedsLimitRange) || e.Outcome != policy.Violating {
		t.Errorf("want the LimitRange to be named\n%s", w.told(&e))
	}
}

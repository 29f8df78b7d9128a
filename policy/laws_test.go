package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func genSet(t *rapid.T) policy.Set {
	var compiled []policy.Policy
	for i := range rapid.IntRange(1, 4).Draw(t, "policies") {
		compiled = append(compiled, mustCompile(t, genPolicy(t, fmt.Sprintf("p%d", i))))
	}
	return policy.NewSet(compiled...)
}

func mustCompile(t interface{ Fatalf(string, ...any) }, source *v1alpha1.SharedMemoryPolicy) policy.Policy {
	p, errs := policy.Compile(source)
	if len(errs) > 0 {
		t.Fatalf("compile %q: %v", source.Name, errs.ToAggregate())
	}
	return p
}

func subjectOf(pod *corev1.Pod, limitRanges ...*corev1.LimitRange) policy.Subject {
	s, _ := policy.NewSubject(pod)
	s.NamespaceLabels = map[string]string{"app": "b"}
	s.LimitRanges = limitRanges
	return s
}

// restricted is a subject in a namespace with these LimitRanges and ResourceQuotas.
func restricted(pod *corev1.Pod, limitRanges []*corev1.LimitRange, quotas []*corev1.ResourceQuota) policy.Subject {
	s := subjectOf(pod, limitRanges...)
	s.ResourceQuotas = quotas
	return s
}

func genQuotas(t *rapid.T) []*corev1.ResourceQuota {
	if rapid.IntRange(0, 3).Draw(t, "quota") > 0 {
		return nil
	}
	q := &corev1.ResourceQuota{}
	q.Name = "quota"
	name := pick(t, "quota of", corev1.ResourceLimitsMemory, corev1.ResourceRequestsMemory, corev1.ResourceMemory)
	q.Status.Hard = corev1.ResourceList{name: resource.MustParse(pick(t, "hard", "300Mi", "2Gi", "10Ei"))}
	q.Status.Used = corev1.ResourceList{name: resource.MustParse(pick(t, "used", "0", "1Gi", "20Ei"))}
	return []*corev1.ResourceQuota{q}
}

func genLimitRanges(t *rapid.T) []*corev1.LimitRange {
	if rapid.IntRange(0, 3).Draw(t, "limit range") > 0 {
		return nil
	}
	lr := &corev1.LimitRange{}
	lr.Name = "limits"
	lr.Spec.Limits = []corev1.LimitRangeItem{{
		Type: pick(t, "limit type", corev1.LimitTypeContainer, corev1.LimitTypePod),
		Max:  corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(pick(t, "max", "128Mi", "2Gi", "10Ei"))},
	}}
	return []*corev1.LimitRange{lr}
}

// checkLaws is what holds for every Pod under every set of policies.
func checkLaws(t *rapid.T) {
	set, pod, limitRanges, quotas := genSet(t), genPod(t), genLimitRanges(t), genQuotas(t)
	before := pod.DeepCopy()
	subject := restricted(pod, limitRanges, quotas)
	d := set.Decide(subject)
	violations := set.Check(subject)
	patch := d.JSONPatch(subject)

	if diff := cmp.Diff(before, pod); diff != "" {
		t.Fatalf("Decide, Check or JSONPatch changed the Pod:\n%s", diff)
	}
	if d.Outcome != policy.Mutated && len(patch) > 0 {
		t.Fatalf("outcome %s has a patch: %v", d.Outcome, patch)
	}
	if (d.Outcome == policy.Violating) != (len(d.Violations) > 0) {
		t.Fatalf("outcome %s has violations %v", d.Outcome, d.Violations)
	}
	if d.Detail == "" || d.Reason == "" {
		t.Fatalf("no reason or detail: %+v", d)
	}

	patched := applyPatch(t, pod, patch)
	after := pod.DeepCopy()
	d.Apply(subjectOf(after))
	if diff := cmp.Diff(after, patched); diff != "" {
		t.Fatalf("Apply and JSONPatch differ (-Apply +JSONPatch):\n%s\npatch %v", diff, patch)
	}

	switch d.Outcome {
	case policy.NotGoverned, policy.Exempt:
		if len(violations) > 0 {
			t.Fatalf("outcome %s has violations %v", d.Outcome, violations)
		}
	case policy.Compliant:
		if len(violations) > 0 {
			t.Fatalf("compliant, and yet: %v", violations)
		}
	case policy.Violating:
		if len(violations) == 0 && len(limitRanges)+len(quotas) == 0 {
			t.Fatalf("violating (%s), and yet Check finds nothing", d.Detail)
		}
	case policy.Mutated:
		again := restricted(after, limitRanges, quotas)
		second := set.Decide(again)
		if second.Outcome != policy.Compliant && second.Outcome != policy.NotGoverned {
			t.Fatalf("after the mutation (%s) the outcome is %s: %s", d.Detail, second.Outcome, second.Detail)
		}
		if second.Outcome == policy.NotGoverned || second.Policy != d.Policy {
			t.Fatalf("the mutation changed the governing policy from %q to %q", d.Policy, second.Policy)
		}
		if left := set.Check(again); len(left) > 0 {
			t.Fatalf("after the mutation (%s) Check finds %v", d.Detail, left)
		}
		if d.Size.Limit < policy.MiB || d.Size.Limit%policy.MiB != 0 {
			t.Fatalf("size %d is not whole MiB", d.Size.Limit)
		}
	}
}

// applyPatch applies a patch to the JSON of a Pod, as an API server does.
func applyPatch(t *rapid.T, pod *corev1.Pod, ops any) *corev1.Pod {
	original, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != "null" {
		patch, err := jsonpatch.DecodePatch(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if original, err = patch.Apply(original); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	var out corev1.Pod
	if err := json.Unmarshal(original, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestLaws(t *testing.T) { rapid.Check(t, checkLaws) }

// FuzzLaws lets the fuzzer look for a Pod and policies that break a law.
func FuzzLaws(f *testing.F) {
	addRandom(f)
	f.Fuzz(rapid.MakeFuzz(checkLaws))
}

func TestTheOrderOfPoliciesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var policies []policy.Policy
		for i := range rapid.IntRange(1, 12).Draw(t, "policies") {
			policies = append(policies, mustCompile(t, genPolicy(t, fmt.Sprintf("p%d", i))))
		}
		subject := subjectOf(genPod(t))
		want := policy.NewSet(policies...).Decide(subject)
		got := policy.NewSet(rapid.Permutation(policies).Draw(t, "order")...).Decide(subject)
		if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Fatalf("-one order +another:\n%s", diff)
		}
	})
}

// The index finds the policy that a walk over all of them finds.
func TestTheIndexFindsWhatAWalkFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var policies []policy.Policy
		for i := range rapid.IntRange(1, 12).Draw(t, "policies") {
			policies = append(policies, mustCompile(t, genPolicy(t, fmt.Sprintf("p%02d", i))))
		}
		set, subject := policy.NewSet(policies...), subjectOf(genPod(t))
		// A set of one policy governs the Pod exactly if the policy matches, and
		// Policies lists the policies by rank.
		want := ""
		for _, p := range set.Policies() {
			if d := policy.NewSet(p).Governing(subject); d != "" {
				want = d
				break
			}
		}
		if got := set.Governing(subject); got != want {
			t.Fatalf("the index finds %q, a walk %q", got, want)
		}
	})
}

func TestAPodThatNoPolicyGovernsComesBackByteForByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod := genPod(t)
		pod.Labels["app"] = "nobody's"
		policy1 := genPolicy(t, "p")
		policy1.Spec.Match = v1alpha1.Match{Images: []string{"example.org/nobody"}}
		before, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		set := policy.NewSet(mustCompile(t, policy1))
		subject := subjectOf(pod)
		d := set.Decide(subject)
		d.Apply(subject)
		after, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		if d.Outcome != policy.NotGoverned || len(d.JSONPatch(subject)) > 0 || len(d.Warnings) > 0 || !bytes.Equal(before, after) {
			t.Fatalf("outcome %s, patch %v\nbefore %s\nafter  %s", d.Outcome, d.JSONPatch(subject), before, after)
		}
	})
}

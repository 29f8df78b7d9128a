package policy_test

import (
	"encoding/json"
	"fmt"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The laws of docs: what holds for every Pod under every policy. Each is a property with the kinds
// of cases that it must have met, and a target for the fuzzer.

type fataler interface{ Fatalf(string, ...any) }

func mustCompile(t fataler, source *v1alpha1.SharedMemoryPolicy) policy.Policy {
	p, errs := policy.Compile(source)
	if len(errs) > 0 {
		t.Fatalf("compile %q: %v", source.Name, errs.ToAggregate())
	}
	return p
}

func (w *world) set(t fataler) policy.Set {
	var compiled []policy.Policy
	for _, p := range w.policies {
		compiled = append(compiled, mustCompile(t, p))
	}
	return policy.NewSet(compiled...)
}

// subjectOf returns a Pod as a subject, in the namespace of genWorld.
func subjectOf(pod *corev1.Pod) policy.Subject {
	s, _ := policy.NewSubject(pod)
	s.NamespaceLabels = map[string]string{"app": "b", "team": "x"}
	return s
}

func (w *world) subject() policy.Subject {
	s := subjectOf(w.pod)
	s.NamespaceLabels, s.LimitRanges, s.ResourceQuotas = w.namespace, w.limitRanges, w.quotas
	return s
}

// with returns the world with another Pod.
func (w *world) with(pod *corev1.Pod) *world {
	out := *w
	out.pod = pod
	return &out
}

// evaluation is a policy.Evaluation with its violations worked out.
type evaluation struct {
	Outcome  policy.Outcome
	Reason   policy.Reason
	Detail   string
	Policy   string
	Mode     v1alpha1.Mode
	Guess    bool
	Size     sizing.Size
	Before   []policy.Violation
	Plan     policy.Plan
	After    []policy.Violation
	Warnings []string
}

func evaluate(set policy.Set, subject policy.Subject) evaluation {
	e := set.Evaluate(subject)
	return evaluation{
		Outcome: e.Outcome, Reason: e.Reason, Detail: e.Detail, Policy: e.Policy, Mode: e.Mode, Guess: e.Guess,
		Size: e.Size, Before: e.Before(), Plan: e.Plan, After: e.After, Warnings: e.Warnings,
	}
}

// evaluate evaluates the Pod and returns it with the plan applied, as an API server does it.
func (w *world) evaluate(t fataler) (evaluation, *corev1.Pod) {
	subject := w.subject()
	e := evaluate(w.set(t), subject)
	return e, patched(t, w.pod, e.Plan, subject)
}

// patched returns a Pod with a plan applied to its JSON.
func patched(t fataler, pod *corev1.Pod, plan policy.Plan, subject policy.Subject) *corev1.Pod {
	ops := plan.Patch(subject)
	if len(ops) == 0 {
		return pod.DeepCopy()
	}
	original, err := json.Marshal(pod)
	if err != nil {
		t.Fatalf("%v", err)
	}
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatalf("%v", err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	after, err := patch.Apply(original)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var out corev1.Pod
	if err := json.Unmarshal(after, &out); err != nil {
		t.Fatalf("%v", err)
	}
	return &out
}

// told describes an evaluation, and what was evaluated, for a failure.
func (w *world) told(e *evaluation) string {
	out := told(e)
	for _, p := range w.policies {
		text, _ := json.Marshal(p.Spec)
		out += fmt.Sprintf("\npolicy %s %s", p.Name, text)
	}
	for _, part := range []any{w.pod.Annotations, w.pod.Labels, w.pod.Spec, w.limitRanges, w.quotas} {
		text, _ := json.Marshal(part)
		out += "\n" + string(text[:min(len(text), 4000)])
	}
	return out
}

// told describes an evaluation for a failure.
func told(e *evaluation) string {
	return fmt.Sprintf(
		"%s, %s by %q: %s\nbefore %v\nafter %v\nwarnings %q",
		e.Outcome,
		e.Reason,
		e.Policy,
		e.Detail,
		e.Before,
		e.After,
		e.Warnings,
	)
}

func has(violations []policy.Violation, reason policy.Reason) bool {
	return slices.ContainsFunc(
		violations,
		func(v policy.Violation) bool { return v.Reason == reason },
	)
}

// equal compares Pods and figures by what they mean.
func equal(a, b any) string {
	return cmp.Diff(a, b, cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 }))
}

func container(pod *corev1.Pod, name string) *corev1.Container {
	for _, c := range notEphemeral(pod) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

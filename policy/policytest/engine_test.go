package policytest_test

import (
	"encoding/json"
	"slices"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// engine evaluates with the engine itself.
type engine struct{}

func (engine) Evaluate(t *testing.T, c policytest.Case) policytest.Result {
	subject := c.Subject(t)
	e := c.Set(t).Evaluate(subject)
	got := policytest.Result{
		Outcome: e.Outcome, Reason: e.Reason, Policy: e.Policy, Warnings: e.Warnings,
		Spec: podkind.SpecOf(patched(t, c, subject, e.Plan)),
	}
	if e.Detail != "" {
		got.Messages = append(got.Messages, e.Detail)
	}
	for _, v := range e.After {
		got.Violations = append(got.Violations, v.Reason)
	}
	for _, v := range slices.Concat(e.Before(), e.After) {
		got.Messages = append(got.Messages, v.Detail)
	}
	return got
}

// patched returns the object of a case with a plan applied, by the JSON patch that an API
// server would get.
func patched(
	t *testing.T, c policytest.Case, subject policy.Subject, plan policy.Plan,
) runtime.Object {
	t.Helper()
	operations, err := json.Marshal(plan.Patch(subject))
	if err != nil {
		t.Fatal(err)
	}
	before := c.Typed(t)
	if plan.Empty() {
		return before
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	document, err = patch.Apply(document)
	if err != nil {
		t.Fatalf("%s: %v", operations, err)
	}
	c.Object.Raw = document
	return c.Typed(t)
}

func TestEvaluate(t *testing.T) { policytest.Run(t, engine{}) }

// Evaluating a patched object again finds nothing to do, and nothing wrong.
func TestEvaluate_MutatedCaseIsFixedPoint(t *testing.T) {
	mutated := 0
	for _, c := range policytest.Cases(t) {
		set, subject := c.Set(t), c.Subject(t)
		first := set.Evaluate(subject)
		if first.Outcome != policy.Mutated {
			continue
		}
		mutated++
		second := set.Evaluate(c.SubjectOf(t, patched(t, c, subject, first.Plan)))
		if second.Outcome != policy.Compliant || !second.Plan.Empty() {
			t.Errorf("%s: evaluated again it is %s (%s): %s",
				c.Name, second.Outcome, second.Reason, second.Detail)
		}
	}
	if mutated < 50 {
		t.Errorf("%d cases are Mutated, want at least 50", mutated)
	}
}

// Each policy of the library has a case that it decides, and one with an object that it does
// not match though it stands alone.
func TestLibrary_EachPolicyHasBothKindsOfCases(t *testing.T) {
	matches, leavesAlone := map[string]bool{}, map[string]bool{}
	for _, c := range policytest.Cases(t) {
		for _, name := range c.Library {
			if c.Want.Policy == name {
				matches[name] = true
			} else if len(c.Library) == 1 && len(c.Policies) == 0 && c.Want.Outcome == policy.NotMatched {
				leavesAlone[name] = true
			}
		}
	}
	for _, file := range policies.All() {
		if !matches[file.Name] {
			t.Errorf("no case has an object that policy %q matches: add one to cases/library.yaml",
				file.Name)
		}
		if !leavesAlone[file.Name] {
			t.Errorf("no case has an object that policy %q leaves alone: add one to cases/library.yaml",
				file.Name)
		}
	}
}

// Every outcome and every reason occurs in some case. TooComplex needs a Pod that is too large
// to write down; the engine's own tests build it.
func TestCases_CoverOutcomesAndReasons(t *testing.T) {
	var outcomes []policy.Outcome
	var reasons []policy.Reason
	for _, c := range policytest.Cases(t) {
		outcomes = append(outcomes, c.Want.Outcome)
		reasons = append(append(reasons, c.Want.Reason), c.Want.Violations...)
	}
	for _, o := range []policy.Outcome{
		policy.NotMatched, policy.Skipped, policy.Exempt,
		policy.Compliant, policy.Mutated, policy.Violating,
	} {
		if !slices.Contains(outcomes, o) {
			t.Errorf("no case has the outcome %s", o)
		}
	}
	for _, r := range []policy.Reason{
		policy.NoMount, policy.NotMemory, policy.Unbounded, policy.TooSmall, policy.NotWholePages,
		policy.ClampedByMemoryLimit, policy.OOMBeforeFull, policy.ReadOnly, policy.SubPath,
		policy.InvalidOverride, policy.NotExempt, policy.ExceedsQuota, policy.ExceedsLimitRange,
		policy.HostShm,
		policy.NoPolicy, policy.UsesHostShm, policy.Windows, policy.MirrorPod, policy.Guessed,
		policy.AlreadySized, policy.Exempted, policy.AddVolume, policy.ResizeVolume, policy.RaiseMemory,
	} {
		if !slices.Contains(reasons, r) {
			t.Errorf("no case has the reason %s", r)
		}
	}
}

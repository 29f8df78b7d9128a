package policytest_test

import (
	"slices"
	"testing"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// engine decides with the engine itself.
type engine struct{}

func (engine) Decide(t *testing.T, c policytest.Case) policytest.Result {
	set, subject := c.Set(t), c.Subject(t)
	d := set.Decide(subject)
	got := policytest.Result{Outcome: d.Outcome, Reason: d.Reason, Policy: d.Policy, Warnings: len(d.Warnings)}
	for _, v := range d.Violations {
		got.Violations = append(got.Violations, v.Reason)
	}
	mountPath := "/dev/shm"
	for _, p := range set.Policies() {
		if p.Name() == d.Policy {
			mountPath = p.MountPath()
		}
	}
	d.Apply(subject)
	got.Observe(subject.Spec, mountPath, c.Want)
	return got
}

func TestEngine(t *testing.T) { policytest.Run(t, engine{}) }

// Each policy of the library has a case that it governs, and one with an object
// that it leaves alone though the policy stands alone.
func TestEachPolicyOfTheLibraryHasBothKindsOfCases(t *testing.T) {
	governs, leavesAlone := map[string]bool{}, map[string]bool{}
	for _, c := range policytest.Cases(t) {
		for _, name := range c.Library {
			if c.Want.Policy == name {
				governs[name] = true
			} else if len(c.Library) == 1 && len(c.Policies) == 0 && c.Want.Outcome == policy.NotGoverned {
				leavesAlone[name] = true
			}
		}
	}
	for _, file := range policies.All() {
		if !governs[file.Name] {
			t.Errorf("no case shows an object that policy %q governs: add one to cases/library.yaml", file.Name)
		}
		if !leavesAlone[file.Name] {
			t.Errorf("no case shows an object that policy %q leaves alone: add one to cases/library.yaml", file.Name)
		}
	}
}

// Every outcome and every violation occurs in some case.
func TestCasesCoverOutcomesAndViolations(t *testing.T) {
	var outcomes []policy.Outcome
	var reasons []policy.Reason
	for _, c := range policytest.Cases(t) {
		outcomes = append(outcomes, c.Want.Outcome)
		reasons = append(append(reasons, c.Want.Reason), c.Want.Violations...)
	}
	for _, o := range []policy.Outcome{policy.NotGoverned, policy.Exempt, policy.Compliant, policy.Mutated, policy.Violating} {
		if !slices.Contains(outcomes, o) {
			t.Errorf("no case has the outcome %s", o)
		}
	}
	for _, r := range []policy.Reason{
		policy.NoMount, policy.NotMemory, policy.Unbounded, policy.TooSmall, policy.ClampedByMemoryLimit, policy.OOMBeforeFull,
		policy.ReadOnly, policy.SubPath, policy.InvalidOverride, policy.NotExempt, policy.ExceedsQuota,
		policy.NoPolicy, policy.HostIPC, policy.Windows, policy.MirrorPod, policy.NoContainer, policy.AlreadySized, policy.Exempted,
		policy.AddVolume, policy.AddMount, policy.ResizeVolume, policy.RaiseMemory,
	} {
		if !slices.Contains(reasons, r) {
			t.Errorf("no case has the reason %s", r)
		}
	}
}

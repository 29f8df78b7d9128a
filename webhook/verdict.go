package webhook

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// What an evaluation means for a request is decided here and nowhere else. In mode Enforce:
//
//	request   what was           what is                what would be  verdict
//	any       -                  matched by no policy   -              allow, silently
//	mutate    -                  -                      Mutated        patch
//	mutate    -                  -                      anything else  allow
//	create    -                  violates its policy    Mutated        deny: nobody mutated it
//	create    -                  violates nothing       Mutated        allow
//	create    -                  -                      Violating      deny, for what remains
//	create    -                  -                      anything else  allow
//	update    is being deleted   -                      -              allow, silently
//	update    had the violation  has the violation      -              allow, silently
//	update    had less memory    has a volume that is   -              allow, silently
//	                             now less than its share
//	update    had none           has a violation        -              deny, for what is new
//	workload  -                  -                      anything       allow, with warnings
//
// In mode Warn what would be denied or patched is allowed with warnings, and in mode Audit
// without; both are counted and written into the audit log all the same. A guess has no
// violations, so nothing is denied for one.

// call is what a webhook is asked about.
type call uint8

const (
	// mutatePod is a Pod at CREATE that may be changed.
	mutatePod call = iota
	// createPod is a Pod at CREATE that nobody changes any more.
	createPod
	// updatePod is a Pod at UPDATE, also of its subresources ephemeralcontainers and resize.
	updatePod
	// applyWorkload is the Pod template of a workload, at CREATE and UPDATE.
	applyWorkload
)

// attributes are all that a verdict depends on, as in an API server those of a request are.
type attributes struct {
	call call
	// mode is the effective one.
	mode v1alpha1.Mode
	// evaluation is that of the object, and violations are those of the object without the plan.
	evaluation policy.Evaluation
	violations []policy.Violation
	// previous is what an update replaces.
	previous previous
	// kind is that of a workload.
	kind string
	// dryRun reports whether the request changes nothing. The verdict is the same.
	dryRun bool
}

// previous is the Pod that an update replaces.
type previous struct {
	// deleted reports whether the Pod is being deleted.
	deleted    bool
	policy     string
	violations []policy.Violation
	// change is what the update does to the figures on which sizes depend.
	change change
}

// action is what is done with a request.
type action uint8

const (
	actionAllow action = iota
	actionPatch
	actionDeny
)

// verdict is what happens to a request, and what is said about it. The zero value allows and is
// silent.
type verdict struct {
	action action
	// message is what the client of a denied request reads.
	message  string
	warnings []string
	// violations are those for which the request is denied, or would be in mode Enforce. They
	// are counted.
	violations []policy.Violation
	// counted reports whether the outcome is counted, and annotated whether it is written into
	// the audit log, with the reason and the detail.
	counted, annotated bool
	outcome            policy.Outcome
	reason             policy.Reason
	detail             string
}

// judge returns what happens to a request.
func judge(a *attributes) verdict {
	if a.evaluation.Outcome == policy.NotMatched {
		return verdict{}
	}
	v := verdict{
		counted: true, annotated: true,
		outcome: a.evaluation.Outcome, reason: a.evaluation.Reason, detail: a.evaluation.Detail,
	}
	switch a.call {
	case mutatePod:
		v.mutate(a)
	case createPod:
		v.create(a)
	case updatePod:
		return a.update()
	case applyWorkload:
		v.apply(a)
	}
	return v
}

// mutate patches, and says what the owner should know. The API server calls it once more if another
// webhook changes the Pod later, and a validating webhook could not tell what the owner wrote from
// what was raised.
func (v *verdict) mutate(a *attributes) {
	v.annotated = false // the validating webhook sees the Pod in its final state
	if a.mode != v1alpha1.Enforce || a.evaluation.Outcome == policy.Violating {
		return
	}
	v.warnings = a.evaluation.Warnings
	if a.evaluation.Outcome == policy.Mutated {
		v.action, v.annotated = actionPatch, true
	}
}

func (v *verdict) create(a *attributes) {
	switch {
	case a.evaluation.Outcome == policy.Violating:
		v.reject(a, a.evaluation.After, "")
	case a.evaluation.Outcome == policy.Mutated && len(a.violations) > 0:
		v.reject(a, a.violations, notMutated)
	case a.evaluation.Outcome == policy.Mutated && a.mode == v1alpha1.Enforce:
		// What the plan would change violates nothing.
		v.outcome, v.reason, v.detail = policy.Compliant, policy.AlreadySized, "nothing has to change"
	case a.evaluation.Outcome == policy.Mutated && a.mode == v1alpha1.Warn:
		v.warnings = []string{fmt.Sprintf(
			"would be changed by SharedMemoryPolicy %q, which in mode enforce %s", a.evaluation.Policy, a.evaluation.Detail)}
	}
	if a.mode == v1alpha1.Warn || v.action == actionDeny {
		v.warnings = append(v.warnings, a.evaluation.Warnings...)
	}
}

// notMutated follows the violations of a Pod that the mutating webhook would have fixed.
const notMutated = "; shmkeeper fixes this when a Pod is created, but its mutating webhook was not called, " +
	"or another webhook undid the change: try again, or tell shmkeeper's administrator"

// reject denies the request in mode Enforce, and says in mode Warn that it would be denied.
func (v *verdict) reject(a *attributes, violations []policy.Violation, remark string) {
	v.violations = violations
	switch a.mode {
	case v1alpha1.Enforce:
		v.action = actionDeny
		v.message = a.evaluation.Sentence(true, violations...) + remark
	case v1alpha1.Warn:
		v.warnings = a.wouldViolate(violations)
	}
}

// wouldViolate returns the warnings about what enforcing would fix or deny.
func (a *attributes) wouldViolate(violations []policy.Violation) []string {
	if a.call == createPod && a.evaluation.Outcome == policy.Mutated {
		return []string{fmt.Sprintf(
			"would violate SharedMemoryPolicy %q, which in mode enforce %s", a.evaluation.Policy, a.evaluation.Detail)}
	}
	out := make([]string, len(violations))
	for i, x := range violations {
		out[i] = a.evaluation.Sentence(false, x)
	}
	return out
}

// update returns what happens to an update. It is rejected for what it brings about and for
// nothing else: a Pod that was there before its policy can still be labelled, debugged,
// resized, finished and deleted.
func (a *attributes) update() verdict {
	if a.previous.deleted {
		return verdict{}
	}
	found := a.newViolations()
	if len(found) == 0 {
		return verdict{}
	}
	v := verdict{
		counted: true, annotated: true,
		outcome: policy.Violating, reason: found[0].Reason, detail: policy.Details(found),
	}
	v.reject(a, found, "")
	return v
}

// newViolations returns the violations that an update brings about: those of a reason and a
// container for which the Pod had none.
func (a *attributes) newViolations() []policy.Violation {
	type kind struct {
		reason    policy.Reason
		container string
	}
	had := make(map[kind]bool, len(a.previous.violations))
	for _, x := range a.previous.violations {
		had[kind{x.Reason, x.Container}] = true
	}
	var found []policy.Violation
	for _, x := range a.violations {
		if !had[kind{x.Reason, x.Container}] && !a.grewWithMemory(x.Reason) {
			found = append(found, x)
		}
	}
	return found
}

// grewWithMemory reports whether a violation is there only because the Pod was given more
// memory, of which its policy's size is a part: the volume is as large as it was, and holds what
// it held.
func (a *attributes) grewWithMemory(reason policy.Reason) bool {
	if c := a.previous.change; a.previous.policy != a.evaluation.Policy || c.volumeShrank || !c.memoryRose {
		return false
	}
	switch reason {
	case policy.TooSmall:
		return true
	case policy.ClampedByMemoryLimit:
		return !a.previous.change.memoryFell
	default:
		return false
	}
}

// apply says what happens to the Pods of a workload. A workload is never denied or changed, so
// that a GitOps tool sees no drift.
func (v *verdict) apply(a *attributes) {
	if a.mode == v1alpha1.Audit {
		return
	}
	enforced := a.mode == v1alpha1.Enforce
	switch {
	case a.evaluation.Outcome == policy.Violating:
		for _, x := range a.evaluation.After {
			text := fmt.Sprintf("Pods of this %s %s", a.kind, a.evaluation.Sentence(false, x))
			if enforced {
				text = fmt.Sprintf("Pods of this %s will be rejected, because they violate SharedMemoryPolicy %q: %s", a.kind, a.evaluation.Policy, x.Detail)
			}
			v.warnings = append(v.warnings, text)
		}
	case a.evaluation.Outcome == policy.Mutated:
		words := "Pods of this %s would be changed in mode enforce by SharedMemoryPolicy %q, which %s"
		if enforced {
			words = "Pods of this %s will be changed by SharedMemoryPolicy %q, which %s"
		}
		v.warnings = append(v.warnings, fmt.Sprintf(words, a.kind, a.evaluation.Policy, a.evaluation.Detail))
	}
	v.warnings = append(v.warnings, a.evaluation.Warnings...)
}

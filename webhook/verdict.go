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

// question is everything that a verdict depends on.
type question struct {
	call call
	// mode is the effective one.
	mode v1alpha1.Mode
	// is is the evaluation of the object, and violations are those of the object as it is.
	is         policy.Evaluation
	violations []policy.Violation
	// was is what an update replaces.
	was previous
	// kind is that of a workload.
	kind string
	// dryRun reports whether nothing comes of the request. The verdict is the same.
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

// answer is what becomes of a request.
type answer uint8

const (
	answerAllow answer = iota
	answerPatch
	answerDeny
)

// verdict is what becomes of a request, and what is said about it. The zero value allows and is
// silent.
type verdict struct {
	answer answer
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

// judge returns what becomes of a request.
func judge(q *question) verdict {
	if q.is.Outcome == policy.NotMatched {
		return verdict{}
	}
	v := verdict{
		counted: true, annotated: true,
		outcome: q.is.Outcome, reason: q.is.Reason, detail: q.is.Detail,
	}
	switch q.call {
	case mutatePod:
		v.mutate(q)
	case createPod:
		v.create(q)
	case updatePod:
		return q.update()
	case applyWorkload:
		v.apply(q)
	}
	return v
}

// mutate patches, and says what the owner should know. The API server calls it once more if another
// webhook changes the Pod later, and a validating webhook could not tell what the owner wrote from
// what was raised.
func (v *verdict) mutate(q *question) {
	v.annotated = false // the validating webhook sees the Pod in its final state
	if q.mode != v1alpha1.Enforce || q.is.Outcome == policy.Violating {
		return
	}
	v.warnings = q.is.Warnings
	if q.is.Outcome == policy.Mutated {
		v.answer, v.annotated = answerPatch, true
	}
}

func (v *verdict) create(q *question) {
	switch {
	case q.is.Outcome == policy.Violating:
		v.reject(q, q.is.After, "")
	case q.is.Outcome == policy.Mutated && len(q.violations) > 0:
		v.reject(q, q.violations, notMutated)
	case q.is.Outcome == policy.Mutated && q.mode == v1alpha1.Enforce:
		// What the plan would change violates nothing.
		v.outcome, v.reason, v.detail = policy.Compliant, policy.AlreadySized, "nothing has to change"
	case q.is.Outcome == policy.Mutated && q.mode == v1alpha1.Warn:
		v.warnings = []string{fmt.Sprintf(
			"would be changed by SharedMemoryPolicy %q, which in mode enforce %s", q.is.Policy, q.is.Detail)}
	}
	if q.mode == v1alpha1.Warn || v.answer == answerDeny {
		v.warnings = append(v.warnings, q.is.Warnings...)
	}
}

// notMutated follows the violations of a Pod that the mutating webhook would have fixed.
const notMutated = "; shmkeeper fixes this when a Pod is created, but its mutating webhook was not called, " +
	"or another webhook undid the change: try again, or tell shmkeeper's administrator"

// reject denies the request in mode Enforce, and says in mode Warn that it would be denied.
func (v *verdict) reject(q *question, violations []policy.Violation, remark string) {
	v.violations = violations
	switch q.mode {
	case v1alpha1.Enforce:
		v.answer = answerDeny
		v.message = q.is.Sentence(true, violations...) + remark
	case v1alpha1.Warn:
		v.warnings = q.wouldViolate(violations)
	}
}

// wouldViolate returns the warnings about what enforcing would fix or deny.
func (q *question) wouldViolate(violations []policy.Violation) []string {
	if q.call == createPod && q.is.Outcome == policy.Mutated {
		return []string{fmt.Sprintf(
			"would violate SharedMemoryPolicy %q, which in mode enforce %s", q.is.Policy, q.is.Detail)}
	}
	out := make([]string, len(violations))
	for i, x := range violations {
		out[i] = q.is.Sentence(false, x)
	}
	return out
}

// update returns what becomes of an update. It is rejected for what it brings about and for
// nothing else: a Pod that was there before its policy can still be labelled, debugged,
// resized, finished and deleted.
func (q *question) update() verdict {
	if q.was.deleted {
		return verdict{}
	}
	found := q.newViolations()
	if len(found) == 0 {
		return verdict{}
	}
	v := verdict{
		counted: true, annotated: true,
		outcome: policy.Violating, reason: found[0].Reason, detail: policy.Details(found),
	}
	v.reject(q, found, "")
	return v
}

// newViolations returns the violations that an update brings about: those of a reason and a
// container for which the Pod had none.
func (q *question) newViolations() []policy.Violation {
	type kind struct {
		reason    policy.Reason
		container string
	}
	had := make(map[kind]bool, len(q.was.violations))
	for _, x := range q.was.violations {
		had[kind{x.Reason, x.Container}] = true
	}
	var found []policy.Violation
	for _, x := range q.violations {
		if !had[kind{x.Reason, x.Container}] && !q.grewWithMemory(x.Reason) {
			found = append(found, x)
		}
	}
	return found
}

// grewWithMemory reports whether a violation is there only because the Pod was given more
// memory, of which its policy's size is a part: the volume is as large as it was, and holds what
// it held.
func (q *question) grewWithMemory(reason policy.Reason) bool {
	if c := q.was.change; q.was.policy != q.is.Policy || c.volumeShrank || !c.memoryRose {
		return false
	}
	switch reason {
	case policy.TooSmall:
		return true
	case policy.ClampedByMemoryLimit:
		return !q.was.change.memoryFell
	default:
		return false
	}
}

// apply says what becomes of the Pods of a workload. A workload is never denied or changed, so
// that a GitOps tool sees no drift.
func (v *verdict) apply(q *question) {
	if q.mode == v1alpha1.Audit {
		return
	}
	enforced := q.mode == v1alpha1.Enforce
	switch {
	case q.is.Outcome == policy.Violating:
		for _, x := range q.is.After {
			text := fmt.Sprintf("Pods of this %s %s", q.kind, q.is.Sentence(false, x))
			if enforced {
				text = fmt.Sprintf("Pods of this %s will be rejected, because they violate SharedMemoryPolicy %q: %s", q.kind, q.is.Policy, x.Detail)
			}
			v.warnings = append(v.warnings, text)
		}
	case q.is.Outcome == policy.Mutated:
		words := "Pods of this %s would be changed in mode enforce by SharedMemoryPolicy %q, which %s"
		if enforced {
			words = "Pods of this %s will be changed by SharedMemoryPolicy %q, which %s"
		}
		v.warnings = append(v.warnings, fmt.Sprintf(words, q.kind, q.is.Policy, q.is.Detail))
	}
	v.warnings = append(v.warnings, q.is.Warnings...)
}

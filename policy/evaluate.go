package policy

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Evaluation says what a set of policies makes of a subject, and why.
type Evaluation struct {
	Outcome Outcome
	// Reason is why, in one word: of a Mutated subject what changes, of a Violating
	// one its first violation.
	Reason Reason
	// Detail is the same in a sentence of bounded length. It ends in the remedy if there is
	// something to fix.
	Detail string
	// Policy is the name of the policy that decides, and Mode the most that it does.
	// Both are empty if none matches.
	Policy string
	Mode   v1alpha1.Mode
	// Guess reports whether the policy matches by the texts of the containers alone.
	// Existing fields are then neither changed nor violations.
	Guess bool
	// Size is the size computed for the subject; zero if no policy matches or none was
	// computed.
	Size sizing.Size
	// Plan is what makes a Mutated subject compliant; empty for every other.
	Plan Plan
	// After are the violations that remain with the plan, or, if there can be no plan, why
	// and all that is wrong. They are empty unless the subject is Violating.
	After []Violation
	// Warnings are sentences for the subject's owner that reject nothing.
	Warnings []string

	// before is the subject as it is, of which the violations are worked out when somebody asks
	// for them, and after is what a plan makes of it; found are those of a subject of which there
	// is no view.
	before, after *view
	found         []Violation
}

// Before returns the violations of the subject as it is: empty for a guess, and for a subject
// that is not evaluated.
func (e *Evaluation) Before() []Violation {
	switch {
	case e.Guess:
		return nil
	case e.before != nil:
		return e.before.violations()
	default:
		return e.found
	}
}

// Evaluate says what the policies make of a subject. It never fails: what cannot be
// decided is an outcome. It does not change the subject.
func (s Set) Evaluate(subject Subject) Evaluation {
	p, second, why := s.find(&subject)
	if p == nil {
		return Evaluation{Outcome: NotMatched, Reason: NoPolicy, Detail: "no policy matches"}
	}
	e := Evaluation{Policy: p.name, Mode: p.mode, Guess: why.guess}
	if reason, detail := skipReason(subject.Pod); reason != "" {
		return e.skipped(reason, detail)
	}
	if reason, ok := p.exempt(subject.Pod.Metadata.Annotations); ok {
		e.Outcome, e.Reason = Exempt, Exempted
		e.Detail = "exempt by its annotation: " + quote(reason)
		return e
	}
	if second != nil {
		e.Warnings = append(e.Warnings, fmt.Sprintf("policy %s also matches and is not applied, as policy %s comes first", quote(second.name), quote(p.name)))
	}
	if found := tooComplex(&subject); found != nil {
		e.found = []Violation{*found}
		return e.violating(e.found)
	}

	before := observe(&subject, p, &why, s.mirrors)
	if p.hostShm == v1alpha1.Allowed && before.onlyHostShm() {
		return e.skipped(UsesHostShm, before.describeHostShm())
	}
	before.size = before.sizeFor()
	e.Size, e.before = *before.size.Size, before
	plan, after, blocked := before.plan(e.Guess)
	remaining := after.violations()
	if len(remaining) > 0 && !plan.Empty() {
		remaining = asWritten(remaining, before.violations(), p.name)
	}
	switch {
	case len(remaining) > 0: // what a plan cannot fix in full, it leaves alone
		e.Warnings = before.appendWarnings(e.Warnings, nil, before)
		return e.violating(append(blocked, remaining...))
	case plan.Empty():
		e.Outcome, e.Reason, e.Detail = Compliant, AlreadySized, before.describeCompliant()
		e.Warnings = appendDetails(e.Warnings, blocked)
		e.Warnings = before.appendWarnings(e.Warnings, nil, before)
	default:
		e.Outcome, e.Reason, e.Detail, e.Plan, e.after = Mutated, plan.reason(), before.describe(&plan), plan, after
		e.Warnings = after.appendWarnings(e.Warnings, &plan, before)
	}
	return e
}

func (e *Evaluation) skipped(reason Reason, detail string) Evaluation {
	e.Outcome, e.Reason, e.Detail = Skipped, reason, detail
	return *e
}

// violating ends the evaluation of a subject that no plan makes compliant. A guess rejects
// nothing: what is wrong is then said in warnings.
func (e *Evaluation) violating(after []Violation) Evaluation {
	if e.Guess {
		if e.before != nil && e.before.remounter() >= 0 {
			// It has a larger one than a guess would give, and a warning of its own.
			after = slices.DeleteFunc(after, func(x Violation) bool { return x.Reason == NoMount })
		}
		e.Warnings = appendDetails(e.Warnings, after)
		return e.skipped(Guessed, fmt.Sprintf("policy %s only guesses that the Pod writes there, so nothing that is there is changed or rejected", quote(e.Policy)))
	}
	e.Outcome, e.Reason, e.Detail, e.After = Violating, after[0].Reason, Details(after), after
	return *e
}

// asWritten returns what would remain after a plan that is not carried out, in the words that are
// true of the Pod as it is.
func asWritten(remaining, before []Violation, policy string) []Violation {
	type kind struct {
		reason    Reason
		container string
	}
	details := make(map[kind][]string, len(before))
	for _, x := range before {
		k := kind{x.Reason, x.Container}
		details[k] = append(details[k], x.Detail)
	}
	out := make([]Violation, len(remaining))
	for i, x := range remaining {
		k := kind{x.Reason, x.Container}
		if left := details[k]; len(left) > 0 {
			x.Detail, details[k] = left[0], left[1:]
		} else {
			x.Detail = fmt.Sprintf("changed as policy %s asks for, %s", quote(policy), x.Detail)
		}
		out[i] = x
	}
	return out
}

// mostWarnings bounds how many violations become warnings.
const mostWarnings = 16

// appendDetails appends violations as warnings, the first few of many.
func appendDetails(warnings []string, violations []Violation) []string {
	for i, x := range violations {
		if i == mostWarnings {
			return append(warnings, fmt.Sprintf("and %d more", len(violations)-i))
		}
		warnings = append(warnings, x.Detail)
	}
	return warnings
}

// skipReason returns why a policy that matches leaves a Pod alone whatever is in it; empty
// if it does not.
func skipReason(pod *PodView) (Reason, string) {
	if _, found := pod.Metadata.Annotations[corev1.MirrorPodAnnotationKey]; found {
		return MirrorPod, "it mirrors a static Pod, which only the node's own files can change"
	}
	if pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows || pod.Spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows) {
		return Windows, "it runs on Windows, which has no /dev/shm"
	}
	return "", ""
}

// describeHostShm says what is shared with whom.
func (v *view) describeHostShm() string {
	i := v.firstWriter()
	c := &v.containers[i]
	return fmt.Sprintf("container %s uses the node's own /dev/shm %s, which it shares with every Pod of the node that does so: nothing bounds it but the node's memory",
		quote(c.name), v.howHostShm(c))
}

func (v *view) describeCompliant() string {
	for i := range v.volumes {
		vol := &v.volumes[i]
		if !vol.memory || !vol.at {
			continue
		}
		if vol.size == 0 {
			return fmt.Sprintf("volume %s at %s has no sizeLimit and is left as it is", quote(vol.name), v.policy.mountPath)
		}
		if v.policy.model == nil || vol.size < v.size.Minimum {
			return fmt.Sprintf("volume %s of %s at %s is left as it is", quote(vol.name), vol.size, v.policy.mountPath)
		}
		return fmt.Sprintf("volume %s of %s at %s is as large as policy %s asks for", quote(vol.name), vol.size, v.policy.mountPath, quote(v.policy.name))
	}
	return "nothing has to change"
}

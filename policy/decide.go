package policy

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Decision says what is to happen to a subject, and why.
type Decision struct {
	Outcome Outcome
	// Reason is why, in one word: of a Mutated subject what changes, of a Violating
	// one its first violation.
	Reason Reason
	// Detail is the same in a sentence. It ends in the remedy where there is
	// something to mend.
	Detail string
	// Policy is the name of the governing policy, and Mode the most that it does.
	// Both are empty where none governs.
	Policy string
	Mode   v1alpha1.Mode
	// Size is the size computed for the subject; zero where none governs, and for
	// an Exempt subject.
	Size Size
	// Violations are those of a Violating subject that no mutation mends.
	Violations []Violation
	// Warnings are sentences for the subject's owner that refuse nothing.
	Warnings []string

	edit *edit
}

// Decide says what is to happen to a subject. It never fails: what cannot be
// decided is an outcome. It does not change the subject.
func (s Set) Decide(subject Subject) Decision {
	p, idle := s.governing(&subject)
	switch {
	case p == nil && idle != nil:
		return Decision{Outcome: NotGoverned, Reason: NoContainer, Detail: fmt.Sprintf(
			"policy %q matches, but none of the containers is one of %s", idle.name, quoteAll(idle.containerNames))}
	case p == nil:
		return Decision{Outcome: NotGoverned, Reason: NoPolicy, Detail: "no policy matches"}
	}
	if reason, detail := ungovernable(&subject); reason != "" {
		return Decision{Outcome: NotGoverned, Reason: reason, Detail: detail}
	}
	d := Decision{Policy: p.name, Mode: p.mode}
	if reason, ok := p.exempt(subject.Meta.Annotations); ok {
		d.Outcome, d.Reason = Exempt, Exempted
		d.Detail = "exempt by its annotation: " + quote(reason)
		return d
	}
	j := judge(&subject, p)
	d.Size = j.size.Size
	d.Warnings = j.size.warnings

	var e *edit
	var violations []Violation
	if p.mutates {
		e, violations = j.mend()
	}
	if len(violations) == 0 {
		violations = j.check()
	}
	switch {
	case len(violations) > 0:
		d.Outcome, d.Reason, d.Detail, d.Violations = Violating, violations[0].Reason, joinDetails(violations), violations
	case e == nil || e.empty():
		d.Outcome, d.Reason, d.Detail = Compliant, AlreadySized, j.describeCompliant()
	default:
		d.Outcome, d.Reason, d.Detail, d.edit = Mutated, e.reason(), e.detail(p.mountPath), e
	}
	d.Warnings = append(d.Warnings, j.warnings()...)
	return d
}

// Check says how a subject violates its policy as it stands. It is empty for a
// subject that no policy governs, and for an exempt one.
func (s Set) Check(subject Subject) []Violation {
	p, _ := s.governing(&subject)
	if p == nil {
		return nil
	}
	if reason, _ := ungovernable(&subject); reason != "" {
		return nil
	}
	if _, ok := p.exempt(subject.Meta.Annotations); ok {
		return nil
	}
	return judge(&subject, p).check()
}

func judge(s *Subject, p *compiled) *judged {
	st := newState(s, p)
	j := &judged{podState: st, policy: p, size: p.sizeFor(st)}
	if len(s.ResourceQuotas) > 0 {
		j.unraised = st.unraisedUsage()
	}
	return j
}

// ungovernable is why no policy can decide over a Pod that one matches; empty
// where one can.
func ungovernable(s *Subject) (Reason, string) {
	if _, found := s.Meta.Annotations[corev1.MirrorPodAnnotationKey]; found {
		return MirrorPod, "it mirrors a static Pod, which only the node's own files can change"
	}
	if s.Spec.HostIPC {
		return HostIPC, "it has hostIPC and uses the node's own /dev/shm"
	}
	if s.Spec.OS != nil && s.Spec.OS.Name == corev1.Windows || s.Spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows) {
		return Windows, "it runs on Windows, which has no /dev/shm"
	}
	return "", ""
}

func (j *judged) describeCompliant() string {
	if t := j.target(); t >= 0 {
		return fmt.Sprintf("volume %q of %s at %s holds the %s that are needed", j.volumes[t].name, j.volumes[t].size, j.policy.mountPath, j.size.Need)
	}
	return "nothing has to change"
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}

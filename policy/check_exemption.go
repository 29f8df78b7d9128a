package policy

import (
	"strings"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// NotExempt: the Pod carries shmkeeper.dev/exempt, but the policy does not let
// Pods be left alone (exemptions: Denied), or the annotation gives no reason. It
// is rejected and not quietly ignored, so that nobody believes to be exempt.
func checkExemption(v *view) []Violation {
	text, found := v.subject.Pod.Metadata.Annotations[v1alpha1.AnnotationExempt]
	var out findings
	switch {
	case !found:
	case !v.policy.exemptions:
		out.add(NotExempt, "", "annotation %s: %s does not count, as policy %s allows no exemptions: remove the annotation, or ask the policy's administrator to allow them",
			v1alpha1.AnnotationExempt, quote(text), quote(v.policy.name))
	case strings.TrimSpace(text) == "":
		out.add(NotExempt, "", "annotation %s is empty: write there why the Pod needs no sized %s", v1alpha1.AnnotationExempt, v.policy.mountPath)
	}
	return out
}

// exempt returns the reason for which a Pod is left alone; ok is false if it is not.
func (p *compiled) exempt(annotations map[string]string) (reason string, ok bool) {
	text := strings.TrimSpace(annotations[v1alpha1.AnnotationExempt])
	return text, p.exemptions && text != ""
}

package policy

import (
	"strings"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// NotExempt: the Pod carries shmkeeper.dev/exempt, but the policy does not let
// Pods be left alone (exemptions: Denied), or the annotation gives no reason. It
// is refused and not quietly ignored, so that nobody believes to be exempt.
func checkExemption(j *judged, r *report) {
	text, found := j.subject.Meta.Annotations[v1alpha1.AnnotationExempt]
	switch {
	case !found:
	case !j.policy.exemptions:
		r.add(NotExempt, "", "annotation %s: %s does not count, as the policy allows no exemptions; remove the annotation, or ask for exemptions: Allowed in the policy", v1alpha1.AnnotationExempt, quote(text))
	case strings.TrimSpace(text) == "":
		r.add(NotExempt, "", "annotation %s is empty; write there why the Pod needs no sized %s", v1alpha1.AnnotationExempt, j.policy.mountPath)
	}
}

// exempt is the reason for which a Pod is left alone; ok is false where it is not.
func (p *compiled) exempt(annotations map[string]string) (reason string, ok bool) {
	text := strings.TrimSpace(annotations[v1alpha1.AnnotationExempt])
	return text, p.exemptions && text != ""
}

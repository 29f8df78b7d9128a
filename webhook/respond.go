package webhook

import (
	"fmt"
	"net/http"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Every response is built here.

// respond judges a request by its attributes, counts the verdict, and returns it as a response.
// warnings come before those of the verdict.
func (o *Options) respond(
	webhook string, a *attributes, subject *policy.Subject, warnings []string,
) admission.Response {
	v := judge(a)
	// Anyone who reaches the port can name a namespace that does not exist.
	if _, known := o.Cluster.NamespaceLabels(subject.Namespace); known {
		o.recordEvent(a, &v, subject)
		if v.counted {
			o.Metrics.decided(webhook, a.evaluation.Policy, v.outcome, a.mode)
		}
		o.Metrics.violated(webhook, a.evaluation.Policy, v.violations)
	}
	warnings = append(warnings, v.warnings...)
	var annotations map[string]string
	if v.annotated {
		annotations = v.annotations(a)
	}
	switch v.action {
	case actionPatch:
		return patch(a.evaluation.Plan.Patch(*subject), annotations, warnings)
	case actionDeny:
		return deny(v.message, v.violations, annotations, warnings)
	default:
		return allow(annotations, warnings)
	}
}

// annotations returns what the audit log has of an object that a policy matches: the API server
// puts the webhook's name before each key.
func (v *verdict) annotations(a *attributes) map[string]string {
	out := map[string]string{
		"policy":  a.evaluation.Policy,
		"mode":    lower(a.mode),
		"outcome": string(v.outcome),
		"reason":  string(v.reason),
		"detail":  v.detail,
	}
	if a.evaluation.Size.Limit > 0 {
		out["size-limit"] = a.evaluation.Size.Limit.Quantity().String()
	}
	return out
}

// lower returns a mode as labels and flags spell it.
func lower(mode v1alpha1.Mode) string { return strings.ToLower(string(mode)) }

// allow admits a request, with annotations for the audit log and warnings for the client.
func allow(annotations map[string]string, warnings []string) admission.Response {
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed: true, AuditAnnotations: annotations, Warnings: shorten(warnings),
	}}
}

// patch admits a request and changes its object.
func patch(ops []jsonpatch.Operation, annotations map[string]string, warnings []string) admission.Response {
	r := allow(annotations, warnings)
	r.Patches = ops
	return r
}

// mostCauses bounds the causes of a denied request.
const mostCauses = 64

// deny rejects a request with 403, never 422: a controller that gets a 422 for its workload may
// delete and recreate it.
func deny(
	message string, violations []policy.Violation, annotations map[string]string, warnings []string,
) admission.Response {
	causes := make([]metav1.StatusCause, min(len(violations), mostCauses))
	for i := range causes {
		v := &violations[i]
		causes[i] = metav1.StatusCause{Type: metav1.CauseType(v.Reason), Message: v.Detail, Field: causeField(v)}
	}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed: false,
		Result: &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
			Message: message, Details: &metav1.StatusDetails{Causes: causes},
		},
		AuditAnnotations: annotations, Warnings: shorten(warnings),
	}}
}

func causeField(v *policy.Violation) string {
	if v.Container == "" {
		return ""
	}
	return fmt.Sprintf("spec.containers[name=%q]", v.Container)
}

// invalid denies a policy that does not compile, for as many reasons as anybody reads.
func invalid(name string, errs field.ErrorList) admission.Response {
	remark := ""
	if more := len(errs) - mostCauses; more > 0 {
		errs, remark = errs[:mostCauses], fmt.Sprintf("; and %d more", more)
	}
	causes := make([]metav1.StatusCause, len(errs))
	for i, err := range errs {
		causes[i] = metav1.StatusCause{Type: metav1.CauseType(err.Type), Message: err.ErrorBody(), Field: err.Field}
	}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Result: &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
			Message: fmt.Sprintf("SharedMemoryPolicy %q is invalid: %v%s", name, errs.ToAggregate(), remark),
			Details: &metav1.StatusDetails{Name: name, Causes: causes},
		},
	}}
}

// badRequest denies a request whose object cannot be read. Webhooks that fail open do not use it.
func badRequest(err error) admission.Response {
	return admission.Errored(http.StatusBadRequest, err)
}

// longestWarning and mostWarnings are what an API server passes on: it cuts a warning off at 256
// characters if there are many, and all of them at 4 KiB (k8s.io/apiserver,
// pkg/endpoints/filters/warning.go).
const (
	longestWarning = 1000
	mostWarnings   = 4
)

func shorten(warnings []string) []string {
	if len(warnings) > mostWarnings {
		more := len(warnings) - mostWarnings + 1
		warnings = append(warnings[:mostWarnings-1:mostWarnings-1],
			fmt.Sprintf("and %d more: see them with kubectl shm review", more))
	}
	for i, w := range warnings {
		if runes := []rune(w); len(runes) > longestWarning {
			warnings[i] = string(runes[:longestWarning-3]) + "..."
		}
	}
	return warnings
}

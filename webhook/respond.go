package webhook

import (
	"fmt"
	"net/http"

	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
)

// Every response is built here.

// allow lets a request pass, with warnings for the client and annotations for the
// audit log.
func allow(annotations map[string]string, warnings []string) admission.Response {
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed: true, AuditAnnotations: annotations, Warnings: shorten(warnings),
	}}
}

// change lets a request pass and patches its object.
func change(ops []jsonpatch.Operation, annotations map[string]string) admission.Response {
	r := allow(annotations, nil)
	r.Patches = ops
	return r
}

// refuse denies a request with 403, never 422: a controller that gets a 422 for
// its workload may delete and recreate it.
func refuse(message string, violations []policy.Violation, annotations map[string]string, warnings []string) admission.Response {
	causes := make([]metav1.StatusCause, len(violations))
	for i, v := range violations {
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

func causeField(v policy.Violation) string {
	if v.Container == "" {
		return ""
	}
	return fmt.Sprintf("spec.containers[name=%q]", v.Container)
}

// invalid denies a policy that does not compile.
func invalid(name string, errs field.ErrorList) admission.Response {
	causes := make([]metav1.StatusCause, len(errs))
	for i, err := range errs {
		causes[i] = metav1.StatusCause{Type: metav1.CauseType(err.Type), Message: err.ErrorBody(), Field: err.Field}
	}
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Result: &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
			Message: fmt.Sprintf("SharedMemoryPolicy %q is invalid: %v", name, errs.ToAggregate()),
			Details: &metav1.StatusDetails{Name: name, Causes: causes},
		},
	}}
}

// unreadable denies a request whose object cannot be read. Webhooks that fail open
// do not use it.
func unreadable(err error) admission.Response {
	return admission.Errored(http.StatusBadRequest, err)
}

// longestWarning and mostWarnings are what an API server passes on: it cuts a
// warning off at 256 characters where there are many, and all of them at 4 KiB
// (k8s.io/apiserver, pkg/endpoints/filters/warning.go).
const (
	longestWarning = 1000
	mostWarnings   = 4
)

func shorten(warnings []string) []string {
	if len(warnings) > mostWarnings {
		more := len(warnings) - mostWarnings + 1
		warnings = append(warnings[:mostWarnings-1:mostWarnings-1], fmt.Sprintf("and %d more: see them with kubectl shm review", more))
	}
	for i, w := range warnings {
		if runes := []rune(w); len(runes) > longestWarning {
			warnings[i] = string(runes[:longestWarning-3]) + "..."
		}
	}
	return warnings
}

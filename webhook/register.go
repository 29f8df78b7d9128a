package webhook

import (
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// The paths of the webhooks. The webhook configurations in manifests/webhooks name
// the same.
const (
	PathMutatePods       = "/mutate-pods"
	PathEnforcePods      = "/validate-pods"
	PathReportPods       = "/report-pods"
	PathWarnWorkloads    = "/validate-templates"
	PathValidatePolicies = "/validate-policies"
)

// Handlers returns all webhooks, by their paths.
func Handlers(o Options) map[string]http.Handler {
	out := map[string]http.Handler{}
	for path, handler := range map[string]admission.Handler{
		PathMutatePods:       MutatePods(o),
		PathEnforcePods:      EnforcePods(o),
		PathReportPods:       ReportPods(o),
		PathWarnWorkloads:    WarnWorkloads(o),
		PathValidatePolicies: ValidatePolicies(o),
	} {
		out[path] = &admission.Webhook{Handler: handler}
	}
	return out
}

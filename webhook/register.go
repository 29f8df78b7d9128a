package webhook

import "net/http"

// The paths of the webhooks. The webhook configurations in manifests/webhooks name
// the same.
const (
	PathMutatePods       = "/mutate-pods"
	PathEnforcePods      = "/validate-pods"
	PathReportPods       = "/report-pods"
	PathWarnWorkloads    = "/validate-templates"
	PathValidatePolicies = "/validate-policies"
	PathWarnModes        = "/validate-modes"
)

// Handlers returns all webhooks, by their paths. Together they bound the memory that requests
// take.
func Handlers(o Options) map[string]http.Handler {
	limits := newLimits()
	out := map[string]http.Handler{}
	for path, h := range map[string]*handler{
		PathMutatePods:       mutatePods(o),
		PathEnforcePods:      enforcePods(o),
		PathReportPods:       reportPods(o),
		PathWarnWorkloads:    warnWorkloads(o),
		PathValidatePolicies: validatePolicies(o),
		PathWarnModes:        warnModes(o),
	} {
		out[path] = newHTTPHandler(h, limits)
	}
	return out
}

package webhook

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// A quantity whose exponent has many digits takes gigabytes or minutes to parse or to compare. It is answered at once, by
// whichever decoder reads it; a text that only looks like one is nobody's business.
func TestHandlers_ExcessiveQuantity(t *testing.T) {
	handlers := Handlers(Options{
		Cluster: fullyKnown(wireSets(t)[0]), MaxMode: v1alpha1.Enforce, Metrics: NewMetrics(prometheus.NewRegistry()),
	})
	pod := func(annotation, limit, more string) string {
		return `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","namespace":"shop","operation":"CREATE",` +
			`"kind":{"version":"v1","kind":"Pod"},"object":{"metadata":{"annotations":{"a":"` + annotation + `"}},` +
			`"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":` + limit + `}}}]` + more + `}}}}`
	}
	sizeLimit := `,"volumes":[{"name":"shm","emptyDir":{"sizeLimit":"1e-1000000000"}}]`
	policyWith := `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"CREATE",` +
		`"object":{"metadata":{"name":"a"},"spec":{"sizing":{"max":"1e2147483647"}}}}}`
	tests := map[string]struct {
		path, body string
		excessive  bool
	}{
		"a limit so small that it has a billion digits": {PathEnforcePods, pod("", `"1e-1000000000"`, ""), true},
		"a limit of two billion digits":                 {PathMutatePods, pod("", `"1e2147483647"`, ""), true},
		"nothing, times ten two billion times":          {PathEnforcePods, pod("", `"0e2147483647"`, ""), true},
		"a limit that is a number and no text":          {PathEnforcePods, pod("", `1e-1000000000`, ""), true},
		"a limit with an escape, for the full decoder":  {PathEnforcePods, pod("", `"1\u0065-1000000000"`, ""), true},
		"a sizeLimit":                                   {PathEnforcePods, pod("", `"1Gi"`, sizeLimit), true},
		"a limit beside text that is not UTF-8":         {PathEnforcePods, pod("\xf9", `"2e3333330"`, ""), true},
		"a field that is there twice, for the full one": {PathEnforcePods, pod("", `"1Gi","memory":"1e2147483647"`, ""), true},
		"a policy":                              {PathValidatePolicies, policyWith, true},
		"an annotation that looks like one":     {PathEnforcePods, pod("1e2147483647", `"1Gi"`, ""), false},
		"a large exponent that memory may have": {PathEnforcePods, pod("", `"1e9"`, ""), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := post(t, handlers[tt.path], []byte(tt.body))
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Errorf("status %d", w.Code)
			}
			if got := strings.Contains(w.Body.String(), errExcessive.Error()); got != tt.excessive {
				t.Errorf("says that a quantity is excessive: %v, want %v: %s", got, tt.excessive, w.Body)
			}
		})
	}
}

package monitoring

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// The text that Loki is to look for is the kernel's error as Go programs write it. Loki's parser is under AGPL-3.0, so only the
// form of the file is checked, which is Prometheus' own.
func TestLokiRules(t *testing.T) {
	n := 0
	for _, group := range decode[monitoringv1.PrometheusRuleSpec](t, manifests+"/loki-rules.yaml").Groups {
		for _, rule := range group.Rules {
			n++
			expr := rule.Expr.String()
			filter := regexp.MustCompile("\\|= `([^`]+)`").FindStringSubmatch(expr)
			if len(filter) < 2 || filter[1] != syscall.ENOSPC.Error() {
				t.Errorf("alert %s: %s does not look for %q", rule.Alert, expr, syscall.ENOSPC.Error())
			}
		}
	}
	if n == 0 {
		t.Error("loki-rules.yaml has no rule")
	}
	// The container is called as authentik's controller calls it.
	deployment, err := os.ReadFile("../../examples/incident-deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(deployment), "- name: proxy\n") {
		t.Error(`examples/incident-deployment.yaml has no container "proxy", as loki-rules.yaml selects`)
	}
}

package monitoring

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

const (
	manifests = "../../manifests/monitoring"
	rulesFile = manifests + "/rules.yaml"
)

// The file is what Prometheus loads, and no rule stands there twice.
func TestRules_AreValid(t *testing.T) {
	groups, errs := rulefmt.ParseFile(rulesFile, false, model.UTF8Validation, parser.NewParser(parser.Options{}), promslog.NewNopLogger())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	seen := map[string]bool{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			key := fmt.Sprint(rule.Record, rule.Alert, rule.Expr)
			if seen[key] {
				t.Errorf("group %s: rule %s%s stands there twice", group.Name, rule.Record, rule.Alert)
			}
			seen[key] = true
		}
	}
}

// readTests returns the files of tests by name.
func readTests(t *testing.T) map[string]testFile {
	t.Helper()
	files, err := filepath.Glob("*.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 4 {
		t.Fatalf("there are %d files of tests, want 4 or more", len(files))
	}
	out := map[string]testFile{}
	for _, file := range files {
		out[file] = decode[testFile](t, file)
	}
	return out
}

// decode reads a file strictly: a field that the type does not have is an error.
func decode[T any](t *testing.T, file string) T {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var into T
	if err := yaml.UnmarshalStrict(content, &into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return into
}

// lenient reads what a type has of a file.
func lenient[T any](t *testing.T, file string) T {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var into T
	if err := yaml.Unmarshal(content, &into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return into
}

// Each alert has tests in which it fires, with labels and texts, and others in which it does not; and each recorded series is asked for.
func TestRules_EachHasTests(t *testing.T) {
	fires, silent, asked := map[string]bool{}, map[string]bool{}, ""
	for _, file := range readTests(t) {
		for _, test := range file.Tests {
			for _, alert := range test.Alerts {
				if len(alert.Expected) > 0 {
					fires[alert.Name] = true
				} else {
					silent[alert.Name] = true
				}
			}
			for _, e := range test.Expressions {
				asked += e.Expr + "\n"
			}
		}
	}
	n := 0
	for _, group := range decode[monitoringv1.PrometheusRuleSpec](t, rulesFile).Groups {
		for _, rule := range group.Rules {
			n++
			switch {
			case rule.Alert != "" && (!fires[rule.Alert] || !silent[rule.Alert]):
				t.Errorf("alert %s: tested that it fires: %v, that it does not: %v; want both", rule.Alert, fires[rule.Alert], silent[rule.Alert])
			case rule.Record != "" && !strings.Contains(asked, rule.Record):
				t.Errorf("no test asks for the recorded series %s", rule.Record)
			}
		}
	}
	if n < 20 {
		t.Errorf("there are %d rules, want 20 or more", n)
	}
}

// The operator's object has the same rules as the plain file.
func TestPrometheusRule_IsTheRulesFile(t *testing.T) {
	plain := decode[monitoringv1.PrometheusRuleSpec](t, rulesFile)
	operators := decode[monitoringv1.PrometheusRule](t, manifests+"/prometheusrule.yaml")
	if diff := cmp.Diff(plain, operators.Spec); diff != "" {
		t.Errorf("prometheusrule.yaml is not what `make generate` makes of rules.yaml (-plain +operator's):\n%s", diff)
	}
}

// The job that the rules ask for is the one that the ServiceMonitor makes: the operator calls it as the Service.
func TestServiceMonitor(t *testing.T) {
	monitor := decode[monitoringv1.ServiceMonitor](t, manifests+"/servicemonitor.yaml")
	if len(monitor.Spec.Endpoints) != 1 {
		t.Fatalf("it has %d endpoints; want 1", len(monitor.Spec.Endpoints))
	}
	if endpoint := monitor.Spec.Endpoints[0]; endpoint.Port != "metrics" || !endpoint.HonorLabels {
		t.Errorf("it scrapes port %q, honorLabels %v; want metrics, true", endpoint.Port, endpoint.HonorLabels)
	}
	service, err := os.ReadFile("../../manifests/base/service.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: shmkeeper-metrics\n", "- name: metrics\n"} {
		if !strings.Contains(string(service), want) {
			t.Errorf("manifests/base/service.yaml has no %q", want)
		}
	}
}

// A Prometheus sends its token only to a server whose certificate is of the CA that is published in a ConfigMap.
func TestServiceMonitor_VerifiesTheServer(t *testing.T) {
	type endpoint struct {
		Scheme    string         `json:"scheme"`
		TLSConfig map[string]any `json:"tlsConfig"`
	}
	monitor := lenient[struct {
		Spec struct {
			Endpoints []endpoint `json:"endpoints"`
		} `json:"spec"`
	}](t, manifests+"/servicemonitor.yaml")
	want := []endpoint{{"https", map[string]any{
		"serverName": "shmkeeper-webhook.shmkeeper-system.svc",
		"ca":         map[string]any{"configMap": map[string]any{"name": "shmkeeper-ca", "key": "ca.crt"}},
	}}}
	if diff := cmp.Diff(want, monitor.Spec.Endpoints); diff != "" {
		t.Errorf("how it verifies the server (-want +got):\n%s", diff)
	}
}

// Every expression of the rules and of the dashboard is PromQL, also of the oldest Prometheus that docs/how-to/monitoring.md names: no
// functions that came after 2.42.
func TestExpressions_Parse(t *testing.T) {
	late := []string{"info", "sort_by_label", "sort_by_label_desc", "mad_over_time", "double_exponential_smoothing", "limitk", "limit_ratio", "ts_of_max_over_time"}
	p := parser.NewParser(parser.Options{})
	for where, text := range expressions(t) {
		expr, err := p.ParseExpr(text)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			if call, ok := node.(*parser.Call); ok && slices.Contains(late, call.Func.Name) {
				t.Errorf("%s: the function %s is newer than Prometheus 2.42", where, call.Func.Name)
			}
			return nil
		})
	}
}

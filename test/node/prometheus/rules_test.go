package prometheus

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFaster(t *testing.T) {
	rules, err := ReadRules([]byte(`groups:
- name: g
  rules:
  - {record: r, expr: 'deriv(a[2h])'}
  - {alert: A, expr: 'rate(a[5m]) > 1', for: 15m, labels: {severity: warning}}
`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := rules.Faster(2400, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := Rules{Groups: []Group{{Name: "g", Rules: []Rule{
		{Record: "r", Expr: "deriv(a[3s])"},
		{Alert: "A", Expr: "rate(a[2s]) > 1", For: "375ms", Labels: map[string]string{"severity": "warning"}},
	}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, text := range map[string]string{
		"no group":         "groups: []",
		"a field too much": "groups: [{name: g, rules: [{alert: A, expr: a, fore: 1m}]}]",
	} {
		if _, err := ReadRules([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, rule := range map[string]Rule{"no expression": {Alert: "A", Expr: "a["}, "no duration": {Alert: "A", Expr: "a", For: "soon"}} {
		if _, err := (Rules{Groups: []Group{{Rules: []Rule{rule}}}}).Faster(2, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestUnfiltered(t *testing.T) {
	for text, want := range map[string]string{
		"a / b > 0.8":                             "a / b",
		"(a - b) / (deriv(a[2h]) > 0) < 86400":    "(a - b) / (deriv(a[2h]))",
		"max(a) != min(a)":                        "max(a)",
		"absent(up == 1) or sum by (x) (b) > 0":   "up or sum by (x) (b)",
		"topk(3, a{x=\"y\"} == 0)":                "topk(3, a{x=\"y\"})",
		"count(a == 0) >= 3 and count(a < 3) > 1": "count(a) and count(a)",
		"a == bool 1":                             "a == bool 1",
	} {
		if got, err := Unfiltered(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", text, got, err, want)
		}
	}
	if _, err := Unfiltered("a >"); err == nil {
		t.Error("what is not PromQL is taken")
	}
}

func TestDashboardQueries(t *testing.T) {
	got, err := DashboardQueries([]byte(`{"panels":[{"type":"row"},{"targets":[{"expr":"rate(a{namespace=~\"$namespace\"}[$__rate_interval])"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`rate(a{namespace=~".*"}[5m])`}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, text := range []string{"[", `{"panels":[]}`} {
		if _, err := DashboardQueries([]byte(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

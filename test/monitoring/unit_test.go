package monitoring

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// testFile is a file of tests as `promtool test rules` reads it, of which these tests need a part. promtool itself needs every kind of
// service discovery to be built; make test-node runs Debian's on the same files.
type testFile struct {
	RuleFiles []string       `json:"rule_files"`
	Every     model.Duration `json:"evaluation_interval"`
	// Order names groups that are evaluated first, one after the other.
	Order []string   `json:"group_eval_order"`
	Tests []unitTest `json:"tests"`
}

type unitTest struct {
	Name     string         `json:"name"`
	Interval model.Duration `json:"interval"` // between the values of a series
	Input    []struct {
		Series string `json:"series"`
		Values string `json:"values"`
	} `json:"input_series"`
	Alerts []struct {
		At       model.Duration `json:"eval_time"`
		Name     string         `json:"alertname"`
		Expected []struct {
			Labels      map[string]string `json:"exp_labels"`
			Annotations map[string]string `json:"exp_annotations"`
		} `json:"exp_alerts"`
	} `json:"alert_rule_test"`
	Expressions []struct {
		At       model.Duration `json:"eval_time"`
		Expr     string         `json:"expr"`
		Expected []struct {
			Labels string  `json:"labels"`
			Value  float64 `json:"value"`
		} `json:"exp_samples"`
	} `json:"promql_expr_test"`
}

// Prometheus' own engine evaluates the rules once a minute over the series of each test, and has the alerts and samples that the test
// expects, with all labels and texts.
func TestRules_Unit(t *testing.T) {
	for file, content := range readTests(t) {
		for _, test := range content.Tests {
			t.Run(strings.TrimSuffix(file, ".test.yaml")+"/"+test.Name, func(t *testing.T) {
				t.Parallel()
				test.run(t, content)
			})
		}
	}
}

func (u *unitTest) run(t *testing.T, file testFile) {
	p := parser.NewParser(parser.Options{})
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", u.Interval)
	for _, input := range u.Input {
		fmt.Fprintf(&load, "  %s %s\n", input.Series, input.Values)
	}
	suite, err := promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := suite.Close(); err != nil {
			t.Error(err)
		}
	}()
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(suite.QueryEngine(), suite.Storage()), Appendable: suite.Storage(), Context: t.Context(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Logger: promslog.NewNopLogger(), Parser: p,
	})
	groups, errs := manager.LoadGroups(time.Duration(file.Every), labels.EmptyLabels(), "", nil, false, file.RuleFiles...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	firing := u.evaluate(t, suite, u.needed(groups, file.Order), time.Duration(file.Every))
	for _, test := range u.Alerts {
		want := []string{}
		for _, alert := range test.Expected {
			alert.Labels[labels.AlertName] = test.Name
			want = append(want, labels.FromMap(alert.Labels).String()+" "+labels.FromMap(alert.Annotations).String())
		}
		slices.Sort(want)
		if diff := gocmp.Diff(want, firing(test.At, test.Name)); diff != "" {
			t.Errorf("%s after %s (-want +got):\n%s", test.Name, test.At, diff)
		}
	}
	query := rules.EngineQueryFunc(suite.QueryEngine(), suite.Queryable())
	for _, test := range u.Expressions {
		want, got := map[string]float64{}, map[string]float64{}
		for _, sample := range test.Expected {
			metric, err := p.ParseMetric(sample.Labels)
			if err != nil {
				t.Fatal(err)
			}
			want[metric.String()] = sample.Value
		}
		vector, err := query(t.Context(), test.Expr, time.Unix(0, 0).Add(time.Duration(test.At)))
		if err != nil {
			t.Fatal(err)
		}
		for _, sample := range vector {
			got[sample.Metric.String()] = sample.F
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s after %s (-want +got):\n%s", test.Expr, test.At, diff)
		}
	}
}

// needed returns the groups that are named, in that order, and then those with the other alerts that the test asks for.
func (u *unitTest) needed(groups map[string]*rules.Group, first []string) []*rules.Group {
	place := func(g *rules.Group) int {
		if i := slices.Index(first, g.Name()); i >= 0 {
			return i
		}
		return len(first)
	}
	var out []*rules.Group
	for _, group := range groups {
		asked := slices.ContainsFunc(group.Rules(), func(rule rules.Rule) bool {
			for _, test := range u.Alerts {
				if test.Name == rule.Name() {
					return true
				}
			}
			return false
		})
		if asked || slices.Contains(first, group.Name()) {
			out = append(out, group)
		}
	}
	slices.SortFunc(out, func(a, b *rules.Group) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Name(), b.Name()))
	})
	return out
}

// evaluate evaluates the groups again and again until the last time that is asked for. The result returns the labels and annotations
// of the alerts of a name that fired at a time, sorted.
func (u *unitTest) evaluate(t *testing.T, suite *promqltest.LazyLoader, groups []*rules.Group, every time.Duration) func(model.Duration, string) []string {
	type moment struct {
		at   model.Duration
		name string
	}
	fired := map[moment][]string{}
	var last model.Duration
	for _, test := range u.Alerts {
		fired[moment{test.At, test.Name}] = []string{}
		last = max(last, test.At)
	}
	for _, test := range u.Expressions {
		last = max(last, test.At)
	}
	for at := model.Duration(0); at <= last; at += model.Duration(every) {
		suite.WithSamplesTill(time.Unix(0, 0).Add(time.Duration(at)), func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				group.Eval(t.Context(), time.Unix(0, 0).Add(time.Duration(at)))
			}
		})
		for _, group := range groups {
			for _, rule := range group.Rules() {
				if err := rule.LastError(); err != nil {
					t.Fatalf("rule %s after %s: %v", rule.Name(), at, err)
				}
				alert, isAlert := rule.(*rules.AlertingRule)
				if _, asked := fired[moment{at, rule.Name()}]; !isAlert || !asked {
					continue
				}
				for _, active := range alert.ActiveAlerts() {
					if active.State == rules.StateFiring {
						key := moment{at, rule.Name()}
						fired[key] = append(fired[key], active.Labels.String()+" "+active.Annotations.String())
					}
				}
			}
		}
	}
	return func(at model.Duration, name string) []string {
		alerts := fired[moment{at, name}]
		slices.Sort(alerts)
		return alerts
	}
}

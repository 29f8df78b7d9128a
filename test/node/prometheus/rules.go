package prometheus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// Rules are the groups of a rules file.
type Rules struct {
	Groups []Group `json:"groups"`
}

// Group is one group of them.
type Group struct {
	Name  string `json:"name"`
	Rules []Rule `json:"rules"`
}

// Rule is a recording rule or an alert.
type Rule struct {
	Record      string            `json:"record,omitempty"`
	Alert       string            `json:"alert,omitempty"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// ReadRules reads a rules file strictly.
func ReadRules(text []byte) (Rules, error) {
	var rules Rules
	if err := yaml.UnmarshalStrict(text, &rules); err != nil {
		return rules, fmt.Errorf("the rules: %w", err)
	}
	if len(rules.Groups) == 0 {
		return rules, errors.New("the rules: there is no group")
	}
	return rules, nil
}

// Faster returns the rules for a time that runs so many times faster: all ranges and `for` are divided by that. No range gets
// shorter than shortest, which must hold a few scrapes.
func (r Rules) Faster(factor int, shortest time.Duration) (Rules, error) {
	var out Rules
	for _, group := range r.Groups {
		faster := Group{Name: group.Name}
		for _, rule := range group.Rules {
			expr, err := parse(rule.Expr)
			if err != nil {
				return out, fmt.Errorf("%s%s: %w", rule.Alert, rule.Record, err)
			}
			parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
				if matrix, ok := node.(*parser.MatrixSelector); ok {
					matrix.Range = max(matrix.Range/time.Duration(factor), shortest).Round(time.Millisecond)
				}
				return nil
			})
			rule.Expr = expr.String()
			if rule.For != "" {
				pending, err := model.ParseDuration(rule.For)
				if err != nil {
					return out, fmt.Errorf("%s: for: %w", rule.Alert, err)
				}
				// Prometheus knows no shorter unit than the millisecond.
				rule.For = model.Duration((time.Duration(pending) / time.Duration(factor)).Round(time.Millisecond)).String()
			}
			faster.Rules = append(faster.Rules, rule)
		}
		out.Groups = append(out.Groups, faster)
	}
	return out, nil
}

// DashboardQueries returns the queries of the panels of a dashboard of Grafana, with values for its variables.
func DashboardQueries(text []byte) ([]string, error) {
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return nil, fmt.Errorf("the dashboard: %w", err)
	}
	var queries []string
	values := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*")
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, values.Replace(target.Expr))
		}
	}
	if len(queries) == 0 {
		return nil, errors.New("the dashboard: no panel has a query")
	}
	return queries, nil
}

// Unfiltered returns an expression without its comparisons, and without absent: what an alert looks at, also while it has no reason
// to fire.
func Unfiltered(text string) (string, error) {
	expr, err := parse(text)
	if err != nil {
		return "", err
	}
	return unfiltered(expr).String(), nil
}

func unfiltered(expr parser.Expr) parser.Expr {
	switch e := expr.(type) {
	case *parser.BinaryExpr:
		e.LHS = unfiltered(e.LHS)
		if e.Op.IsComparisonOperator() && !e.ReturnBool {
			return e.LHS
		}
		e.RHS = unfiltered(e.RHS)
	case *parser.ParenExpr:
		e.Expr = unfiltered(e.Expr)
	case *parser.AggregateExpr:
		e.Expr = unfiltered(e.Expr)
	case *parser.Call:
		for i := range e.Args {
			e.Args[i] = unfiltered(e.Args[i])
		}
		if e.Func.Name == "absent" {
			return e.Args[0]
		}
	}
	return expr
}

func parse(text string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(text)
}

package monitoring

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	grafana "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

const dashboardFile = manifests + "/dashboard.json"

// The dashboard is what Grafana's own types have, and nothing else.
func TestDashboard_IsGrafanas(t *testing.T) {
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	plugins.RegisterDefaultPlugins()
	var d grafana.Dashboard //nolint:staticcheck // the format of the file is the one that every Grafana reads, and the newer one is not
	// An error without a text is an empty list of faults.
	if err := d.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		t.Error(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

// panel is what the tests read of a panel of Grafana.
type panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct {
		X, Y, W, H int
	} `json:"gridPos"`
	Targets []struct {
		RefID string `json:"refId"`
		Expr  string `json:"expr"`
	} `json:"targets"`
}

func readPanels(t *testing.T) []panel {
	t.Helper()
	panels := lenient[struct {
		Panels []panel `json:"panels"`
	}](t, dashboardFile).Panels
	if len(panels) < 10 {
		t.Fatalf("the dashboard has %d panels, want 10 or more", len(panels))
	}
	return panels
}

// expressions returns the expressions of the rules and of the dashboard, by where they stand. Grafana's variables have values.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, group := range decode[monitoringv1.PrometheusRuleSpec](t, rulesFile).Groups {
		for i, rule := range group.Rules {
			out[fmt.Sprintf("group %s, rule %d, %s%s", group.Name, i+1, rule.Alert, rule.Record)] = rule.Expr.String()
		}
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*")
	for _, p := range readPanels(t) {
		for _, target := range p.Targets {
			out[fmt.Sprintf("panel %d, query %s", p.ID, target.RefID)] = variables.Replace(target.Expr)
		}
	}
	return out
}

// Each panel has an ID of its own, a title, a query and a place that no other has.
func TestDashboard_Panels(t *testing.T) {
	const columns = 24
	ids, taken := map[int]bool{}, map[[2]int]int{}
	for _, p := range readPanels(t) {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d, %q: want an ID of its own and a title", p.ID, p.Title)
		}
		ids[p.ID] = true
		if (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %d, %q, is a %s with %d queries", p.ID, p.Title, p.Type, len(p.Targets))
		}
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > columns {
			t.Errorf("panel %d, %q, has the place %+v, which is not within %d columns", p.ID, p.Title, at, columns)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, found := taken[[2]int{x, y}]; found {
					t.Fatalf("panels %d and %d overlap", other, p.ID)
				}
				taken[[2]int{x, y}] = p.ID
			}
		}
	}
}

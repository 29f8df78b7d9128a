package docs_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// alerts returns the severities of the alerts of manifests/monitoring, by name, and checks that each links to its runbook.
func alerts(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, file := range []string{"rules.yaml", "loki-rules.yaml"} {
		var rules struct {
			Groups []struct {
				Rules []struct {
					Alert               string
					Labels, Annotations map[string]string
				}
			}
		}
		if err := yaml.Unmarshal([]byte(read(t, "../manifests/monitoring/"+file)), &rules); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				if rule.Alert == "" {
					continue
				}
				out[rule.Alert] = append(out[rule.Alert], rule.Labels["severity"])
				want := "https://github.com/shmkeeper/shmkeeper/blob/main/docs/runbooks/" + rule.Alert + ".md"
				if got := rule.Annotations["runbook_url"]; got != want {
					t.Errorf("%s: the runbook of %s is %q; want %q", file, rule.Alert, got, want)
				}
			}
		}
	}
	if len(out) < 15 {
		t.Errorf("there are %d alerts, want 15 or more", len(out))
	}
	return out
}

// Each alert has a runbook, each runbook an alert, and each begins with a command and has the same parts.
func TestRunbooks(t *testing.T) {
	files, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		names = append(names, name)
		page := read(t, file)
		if !regexp.MustCompile(`^# ` + name + `: .+\n\n    (kubectl|curl) .+\n`).MatchString(page) {
			t.Errorf("%s does not begin with the line \"# %s: \" and a command", file, name)
		}
		if !strings.Contains(page, "\n## What it means\n") {
			t.Errorf("%s has no part \"What it means\"", file)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(alerts(t))), names); diff != "" {
		t.Errorf("alerts and runbooks differ (-alert +runbook):\n%s", diff)
	}
}

// Each alert has a row in how-to/monitoring.md, with its severity, and each row an alert.
func TestMonitoringPage_EachAlert(t *testing.T) {
	page := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| \[(\w+)\]\(\.\./runbooks/(\w+)\.md\) \| ([a-z, ]+) \|`).FindAllStringSubmatch(read(t, "how-to/monitoring.md"), -1) {
		if row[1] != row[2] {
			t.Errorf("how-to/monitoring.md links alert %s to the runbook of %s", row[1], row[2])
		}
		page[row[1]] = row[3]
	}
	want := map[string]string{}
	for name, severities := range alerts(t) {
		want[name] = strings.Join(severities, ", ")
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("alerts and their severities (-rules +how-to/monitoring.md):\n%s", diff)
	}
}

// Each recorded series has a row in how-to/monitoring.md, and each row a series.
func TestMonitoringPage_EachRecordingRule(t *testing.T) {
	var recorded, documented []string
	for _, match := range regexp.MustCompile(`(?m)^  - record: (\S+)$`).FindAllStringSubmatch(read(t, "../manifests/monitoring/rules.yaml"), -1) {
		recorded = append(recorded, match[1])
	}
	for name := range rows(read(t, "how-to/monitoring.md")) {
		if strings.HasPrefix(name, "shmkeeper:") {
			documented = append(documented, name)
		}
	}
	slices.Sort(recorded)
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Compact(recorded), documented); diff != "" || len(recorded) < 5 {
		t.Errorf("recorded series (-rules.yaml +how-to/monitoring.md):\n%s", diff)
	}
}

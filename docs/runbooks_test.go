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

	"github.com/shmkeeper/shmkeeper/internal/runbooks"
	"github.com/shmkeeper/shmkeeper/internal/sources"
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

// podOfOutpost is the name of a Pod in what was printed.
var podOfOutpost = regexp.MustCompile(`ak-outpost-[a-z0-9-]+-[a-z0-9]{5}\b`)

// Each command of the runbooks is tried, or a reason is given, and what is tried is in a runbook.
func TestRunbooks_EachCommandIsTried(t *testing.T) {
	in := map[string]int{}
	for _, trials := range [][]runbooks.Trial{runbooks.OnAPIServer, runbooks.OnNode} {
		for _, trial := range trials {
			in[trial.Command]++
			if trial.Then != "" {
				in[trial.Then]++
			}
		}
	}
	for command := range runbooks.ByTests {
		in[command]++
	}
	for command := range runbooks.Untried {
		in[command]++
	}
	for command, n := range in {
		if n > 1 {
			t.Errorf("%s: %d ways to try it; want one", command, n)
		}
	}
	files, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	onCall, err := filepath.Glob("runbooks/on-call/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range slices.Concat(files, onCall) {
		for _, command := range runbooks.Commands(podOfOutpost.ReplaceAllString(read(t, file), "POD")) {
			found[command] = true
			if in[command] == 0 {
				t.Errorf("%s: %s: add it to a list of internal/runbooks", file, command)
			}
		}
	}
	for command := range in {
		if !found[command] {
			t.Errorf("no runbook has %s: remove it from internal/runbooks", command)
		}
	}
}

// The tests that are said to try a command are there.
func TestRunbooks_TestsExist(t *testing.T) {
	var tests strings.Builder
	sources.Each(t, func(path string, content []byte) {
		if strings.HasSuffix(path, "_test.go") {
			tests.Write(content)
		}
	}, ".go")
	for command, name := range runbooks.ByTests {
		if !strings.Contains(tests.String(), "\nfunc "+name+"(") {
			t.Errorf("%s: there is no test %q", command, name)
		}
	}
}

// Each alert has a row in reference/alerts.md, with its severity, and each row an alert.
func TestAlertsPage_EachAlert(t *testing.T) {
	page := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| \[(\w+)\]\(\.\./runbooks/(\w+)\.md\) \| ([a-z, ]+) \|`).FindAllStringSubmatch(read(t, "reference/alerts.md"), -1) {
		if row[1] != row[2] {
			t.Errorf("reference/alerts.md links alert %s to the runbook of %s", row[1], row[2])
		}
		page[row[1]] = row[3]
	}
	want := map[string]string{}
	for name, severities := range alerts(t) {
		want[name] = strings.Join(severities, ", ")
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("alerts and their severities (-rules +reference/alerts.md):\n%s", diff)
	}
}

// Each recorded series has a row in reference/alerts.md, and each row a series.
func TestAlertsPage_EachRecordingRule(t *testing.T) {
	var recorded, documented []string
	for _, match := range regexp.MustCompile(`(?m)^  - record: (\S+)$`).FindAllStringSubmatch(read(t, "../manifests/monitoring/rules.yaml"), -1) {
		recorded = append(recorded, match[1])
	}
	for name := range rows(read(t, "reference/alerts.md")) {
		if strings.HasPrefix(name, "shmkeeper:") {
			documented = append(documented, name)
		}
	}
	slices.Sort(recorded)
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Compact(recorded), documented); diff != "" || len(recorded) < 5 {
		t.Errorf("recorded series (-rules.yaml +reference/alerts.md):\n%s", diff)
	}
}

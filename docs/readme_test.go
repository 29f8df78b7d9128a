package docs_test

import (
	"regexp"
	"strings"
	"testing"
)

// The figures that README.md calls predicted and measured are those of incident.md.
func TestReadme_FiguresAreTheIncidents(t *testing.T) {
	_, table, _ := strings.Cut(read(t, "../README.md"), "| | predicted | measured |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	found := regexp.MustCompile(`(?m)^\| (.+) \| (\S+(?: MiB)?) \| (\S+(?: MiB)?) \|$`).FindAllStringSubmatch(table, -1)
	if len(found) < 4 {
		t.Fatalf("README.md has only %d figures", len(found))
	}
	incident := read(t, "explanation/incident.md")
	for _, row := range found {
		if want := " | " + row[1] + " | " + row[2] + " | " + row[3] + " | "; !strings.Contains(incident, want) {
			t.Errorf("explanation/incident.md has no row with %q: correct README.md", want)
		}
	}
}

package figures

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The page shows the figures that are kept, and each is within what the project promises of the memory of files.
func TestFigures_PageIsUpToDate(t *testing.T) {
	const docs = "../../../../docs/explanation"
	text, err := os.ReadFile(filepath.Join(docs, "incident.md"))
	if err != nil {
		t.Fatal(err)
	}
	var runs [2]Run
	for i := range runs {
		if runs[i], err = Read(docs, i+1); err != nil {
			t.Fatal(err)
		}
		if runs[i].Kernel == "" {
			t.Errorf("there are no figures of cgroup v%d: write them with `make test-node CGROUP=%d UPDATE=1`", i+1, i+1)
		}
		for _, c := range runs[i].Comparisons {
			if strings.HasPrefix(c.What, "all memory") && !(c.Ratio >= 1 && c.Ratio <= 1.05) {
				t.Errorf("cgroup v%d: %s: the ratio is %.3f; want 1 to 1.05", i+1, c.What, c.Ratio)
			}
		}
	}
	want, err := Render(string(text), runs[0], runs[1])
	if err != nil {
		t.Fatal(err)
	}
	if want != string(text) {
		t.Error("docs/explanation/incident.md has other figures than docs/explanation/incident.v1.json and docs/explanation/incident.v2.json: write both with `make test-node UPDATE=1`")
	}
}

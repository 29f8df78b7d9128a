// Package figures writes the tables of docs/explanation/incident.md: what the tests of the incident have
// measured, kept in one file for each cgroup version, side by side.
package figures

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/shmkeeper/shmkeeper/test/section"
)

// Comparison is a prediction and what was measured, in their units, and the former divided by the latter.
type Comparison struct {
	Scenario  int     `json:"scenario"` // of docs/explanation/incident.md
	What      string  `json:"what"`
	Predicted string  `json:"predicted"`
	Measured  string  `json:"measured"`
	Ratio     float64 `json:"ratio"`
}

// KernelCost is the kernel memory of a file, in bytes.
type KernelCost struct {
	Size     int     `json:"size"`     // of the file's content, in bytes
	Name     string  `json:"name"`     // "short" or "long"
	Measured float64 `json:"measured"` // give or take Error
	Error    float64 `json:"error"`
	Model    int64   `json:"model"`
}

// Run is what one run of the tests has measured.
type Run struct {
	Kernel      string       `json:"kernel"` // its release, such as 6.1.176
	Comparisons []Comparison `json:"comparisons"`
	KernelCosts []KernelCost `json:"kernelCosts"`
	// Curves are those of the scenarios in which time runs faster; none if it cannot.
	Curves []Curve `json:"curves,omitempty"`
}

// file returns the name of the file in the folder docs for a cgroup version.
func file(docs string, cgroup int) string {
	return filepath.Join(docs, fmt.Sprintf("incident.v%d.json", cgroup))
}

// Read reads the run on a cgroup version. One that there is no file of is empty.
func Read(docs string, cgroup int) (Run, error) {
	var r Run
	text, err := os.ReadFile(file(docs, cgroup))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, fmt.Errorf("the figures of cgroup v%d: %w: write them with `make test-node CGROUP=%d UPDATE=1`", cgroup, err, cgroup)
	}
	return r, nil
}

// Write writes the file of a run on a cgroup version, with the comparisons in the order of the page.
func (r Run) Write(docs string, cgroup int) error {
	r.Comparisons = slices.Clone(r.Comparisons)
	slices.SortFunc(r.Comparisons, byScenario)
	r.Curves = slices.SortedFunc(slices.Values(r.Curves), func(a, b Curve) int { return cmp.Compare(a.Scenario, b.Scenario) })
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("the figures of cgroup v%d: %w", cgroup, err)
	}
	if err := os.WriteFile(file(docs, cgroup), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("the figures of cgroup v%d: %w", cgroup, err)
	}
	return nil
}

// place is where the figures stand in docs/explanation/incident.md.
var place = section.Section{
	Begin: "<!-- figures: make test-node UPDATE=1, for cgroup v1 and again with CGROUP=2 -->\n", End: "<!-- end of figures -->\n",
}

// Update writes the figures of both runs into docs/explanation/incident.md, and its picture if there are curves.
func Update(docs string) error {
	v1, err1 := Read(docs, 1)
	v2, err2 := Read(docs, 2)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := place.Write(filepath.Join(docs, "incident.md"), tables(v1, v2)); err != nil {
		return fmt.Errorf("the page of the figures: %w", err)
	}
	if len(v1.Curves) > 0 {
		return v1.writePicture(docs)
	}
	return nil
}

// Render returns the page with the figures of both runs in place of those that it has.
func Render(text string, v1, v2 Run) (string, error) { return place.Replace(text, tables(v1, v2)) }

package figures

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var (
	one = Run{
		Kernel: "6.18.44",
		Comparisons: []Comparison{
			{Scenario: 4, What: "full after", Predicted: "60h41m0s", Measured: "60h8m0s", Ratio: 1.00915},
			{Scenario: 1, What: "files", Predicted: "16384", Measured: "16384", Ratio: 1},
		},
		KernelCosts: []KernelCost{{Size: 1500, Name: "long", Measured: 1064.04, Error: 0.33, Model: 1216}},
	}
	two = Run{
		Kernel: "6.1.176",
		Comparisons: []Comparison{
			{Scenario: 2, What: "killed at", Predicted: "197.4 MiB", Measured: "199.9 MiB", Ratio: 0.9875},
			{Scenario: 1, What: "files", Predicted: "16384", Measured: "16384", Ratio: 1},
		},
		KernelCosts: []KernelCost{{Size: 1500, Name: "long", Measured: 1096, Error: 13.1, Model: 1216}, {Size: 1, Name: "short", Measured: 992, Error: 13.1, Model: 1216}},
	}
)

var page = "before\n" + place.Begin + "old\n" + place.End + "after\n"

func TestFigures_BothRuns(t *testing.T) {
	got, err := Render(page, one, two)
	want := "before\n" + place.Begin + `Linux 6.18.44 with cgroup v1, Linux 6.1.176 with cgroup v2; the ratio is predicted / measured.

| scenario | | v1: predicted | measured | ratio | v2: predicted | measured | ratio |
|---|---|---|---|---|---|---|---|
| 1 | files | 16384 | 16384 | 1.000 | 16384 | 16384 | 1.000 |
| 2 | killed at | – | – | – | 197.4 MiB | 199.9 MiB | 0.988 |
| 4 | full after | 60h41m0s | 60h8m0s | 1.009 | – | – | – |

| bytes of a file | name | kernel memory of a file, measured with v1 | with v2 | in the model |
|---|---|---|---|---|
| 1500 | long | 1064.0 ± 0.3 B | 1096.0 ± 13.1 B | 1216 B |
| 1 | short | – | 992.0 ± 13.1 B | 1216 B |
` + place.End + "after\n"
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	if again, err := Render(got, one, two); err != nil || again != got {
		t.Errorf("rendering it again gives %v\n%s", err, again)
	}
}

func TestFigures_PageWithoutAPlace(t *testing.T) {
	for _, page := range []string{"", place.Begin, place.End} {
		if got, err := Render(page, one, two); err == nil || !strings.HasSuffix(err.Error(), "put them where the figures belong") {
			t.Errorf("%q: got %q, %v", page, got, err)
		}
	}
}

func TestFigures_UpdateKeepsTheOtherRun(t *testing.T) {
	docs := t.TempDir()
	path := filepath.Join(docs, "incident.md")
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for version, run := range map[int]Run{1: one, 2: two} {
		if err := run.Write(docs, version); err != nil {
			t.Fatal(err)
		}
		if err := Update(docs); err != nil {
			t.Fatal(err)
		}
	}
	want, err := Render(page, one, two)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	if got, err := Read(docs, 1); err != nil || got.Comparisons[0].Scenario != 1 || !reflect.DeepEqual(got.KernelCosts, one.KernelCosts) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFigures_MissingAndDamagedRuns(t *testing.T) {
	docs := t.TempDir()
	if got, err := Read(docs, 2); err != nil || !reflect.DeepEqual(got, Run{}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := os.WriteFile(file(docs, 2), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "the figures of cgroup v2: unexpected end of JSON input: write them with `make test-node CGROUP=2 UPDATE=1`"
	if _, err := Read(docs, 2); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

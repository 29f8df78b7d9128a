package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestFit(t *testing.T) {
	rows := [][]string{
		{"Mutated", "Deployment/default/a-name-that-is-long", "policy", "apps/of/the/team/deployment.yaml:12"},
		{"Violating", "Pod/b", "p", "b.yaml:1"},
	}
	name, file := Cut{Column: 1}, Cut{Column: 3, Start: true}
	for width, want := range map[int]int{0: 94, 200: 94, 94: 94, 80: 80, 70: 70, 10: 45} {
		fitted := Fit(rows, width, file, name)
		longest := 0
		for _, line := range Align(fitted) {
			longest = max(longest, utf8.RuneCountInString(line))
		}
		if longest != want {
			t.Errorf("%d columns: the longest line has %d, want %d:\n%s", width, longest, want, strings.Join(Align(fitted), "\n"))
		}
	}
	want := [][]string{{"Mutated", "Deployment/default/a-name-that-is-long", "policy", "…am/deployment.yaml:12"}, rows[1]}
	if diff := cmp.Diff(want, Fit(rows, 81, file, name)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if rows[0][1] != "Deployment/default/a-name-that-is-long" {
		t.Error("the rows that were given have changed")
	}
	if got := Fit(nil, 10, file); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

func TestWrap(t *testing.T) {
	text := "  warning: a sentence of some words"
	for width, want := range map[int]string{
		0:   text,
		100: text,
		20:  "  warning: a\n    sentence of some\n    words",
		1:   "  warning:\n    a\n    sentence\n    of\n    some\n    words",
	} {
		if got := Wrap(text, width, "    "); got != want {
			t.Errorf("%d columns: got\n%s\nwant\n%s", width, got, want)
		}
	}
	if got := Wrap(strings.Repeat("x", 100), 10, "  "); got != strings.Repeat("x", 100) {
		t.Errorf("one long word: %q", got)
	}
}

func TestColored(t *testing.T) {
	if got := (Streams{Color: true}).Colored(Red, "a"); got != "\x1b[31ma\x1b[0m" {
		t.Errorf("got %q", got)
	}
	if got := (Streams{}).Colored(Red, "a"); got != "a" {
		t.Errorf("without color: %q", got)
	}
}

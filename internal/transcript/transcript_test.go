package transcript

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "# A page\n<!-- cluster: of its own, in a checkout -->\nText.\n\n    indented\n\n```yaml\n# deploy/a.yaml\na: 1\n```\n\n" +
	"```console\n$ cat deploy/a.yaml\na: …\n$ seq 9 &&\n> false\n1\n...\n9\n(exit status 1)\n```\n\n" +
	"```yaml\nname: of no file\n```\n\n```sh\nls deploy |\n  grep -q a.yaml\n```\n\n<!-- not run: needs a cloud -->\n```sh\ngcloud\n```\n\n```text\nanything\n```\n\n<!-- run: touch unseen -->\n"

func TestParse(t *testing.T) {
	got, err := Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	want := Page{
		Steps: []Step{
			{Line: 8, File: "deploy/a.yaml", Text: "a: 1\n"},
			{Line: 13, Text: "cat deploy/a.yaml", Shown: true, Want: []string{"a: …"}},
			{Line: 15, Text: "seq 9 &&\nfalse", Shown: true, Want: []string{"1", "...", "9"}, Status: 1},
			{Line: 28, Text: "ls deploy |\n  grep -q a.yaml"},
			{Line: 41, Text: "touch unseen"},
		},
		NotRun:   []string{"needs a cloud"},
		Indented: []int{5},
		Cluster:  true, Own: true, Checkout: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse_Faults(t *testing.T) {
	for text, want := range map[string]string{
		"```sh\nls\n":             "does not end",
		"```\nls\n```\n":          "without a language",
		"```console\nls\n```\n":   "output without a command",
		"<!-- cluster: own -->\n": "write <!-- cluster -->",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	p, err := Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range p.Steps {
		if err := step.Run(t.Context(), dir, os.Environ()); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "deploy", "a.yaml")); err != nil {
		t.Error(err)
	}
	for name, step := range map[string]Step{
		"another output":      {Text: "echo 1", Shown: true, Want: []string{"2"}},
		"an output too many":  {Text: "seq 2", Shown: true, Want: []string{"1"}},
		"an output too few":   {Text: "echo 1", Shown: true, Want: []string{"1", "2"}},
		"no output":           {Text: "echo 1", Shown: true},
		"a failure":           {Text: "false"},
		"a failure in a pipe": {Text: "false | true"},
		"no failure":          {Text: "true", Status: 1},
		"a failure midway":    {Text: "false\ntrue"},
	} {
		if err := step.Run(t.Context(), dir, os.Environ()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMatches(t *testing.T) {
	got := []string{"one two three", "four", "five"}
	for want, match := range map[string]bool{
		"one two three\nfour\nfive":      true,
		"...":                            true,
		"...\nfive":                      true,
		"one…\n...\nfive":                true,
		"one … three\n...":               true,
		"…two…\n...":                     true,
		"one two three\nfour\n...\nfive": true,
		"one two\n...":                   false,
		"…two\n...":                      false,
		"...\nfour":                      false,
		"one … two … three\n...":         false,
	} {
		if matches(got, strings.Split(want, "\n")) != match {
			t.Errorf("%q: got %v, want %v", want, !match, match)
		}
	}
}

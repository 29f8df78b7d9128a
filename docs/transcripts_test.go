package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/transcript"
)

// elsewhere are the pages whose commands another test runs, by the test.
var elsewhere = map[string]string{
	"explanation/remedies.md": "TestDocs_CommandsAndTheirOutput",
	"how-to/audit.md":         "TestDocs_CommandsAndTheirOutput",
	"how-to/policy-tests.md":  "TestPages_CommandsWork",
	"how-to/release.md":       "TestBuild",
	"how-to/review.md":        "TestPages_CommandsWork",
	"how-to/running-pods.md":  "TestRunningPods_CommandsAreThere",
}

// Each page for somebody with a task is followed from its top, in an empty folder, and prints what it
// shows; README.md is followed in a checkout. What needs a cluster is run by test/pages.
func TestPages_PrintWhatTheyShow(t *testing.T) {
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "kubectl-shm"), "../cmd/kubectl-shm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// What kubectl does with the name of a plugin.
	const kubectl = "#!/bin/sh\n[ \"$1\" = shm ] || { echo \"kubectl $*: needs a cluster: mark the page <!-- cluster -->\" >&2; exit 9; }\nshift\nexec kubectl-shm \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(kubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1")
	pages := map[string]string{"../README.md": ".."}
	for _, folder := range []string{"tutorials", "how-to", "explanation"} {
		names, err := filepath.Glob(folder + "/*.md")
		if err != nil || len(names) < 3 {
			t.Errorf("docs/%s has only %d pages (%v)", folder, len(names), err)
		}
		for _, name := range names {
			pages[name] = ""
		}
	}
	tests := testSources(t)
	for name, test := range elsewhere {
		if _, found := pages[name]; !found || !strings.Contains(tests, "\nfunc "+test+"(") {
			t.Errorf("there is no %s, or no test %s of it: correct the list above", name, test)
		}
	}
	for name, dir := range pages {
		if elsewhere[name] != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			page, err := transcript.Parse(read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range page.Indented {
				t.Errorf("line %d: nobody knows whether an indented block can be run: put it between ```console and ```, with \"$ \" before each command", line)
			}
			if page.Cluster { // test/pages
				return
			}
			if dir == "" {
				dir = t.TempDir()
			}
			for _, step := range page.Steps {
				if err := step.Run(t.Context(), dir, env); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

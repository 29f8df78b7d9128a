package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/runbooks"
)

// commandPages are the pages of which each command is run, in order, in one folder with these files.
var commandPages = map[string]struct {
	files map[string]string // to it, from the repository
	// rejects are the commands that end with exit status 1.
	rejects []string
	// elsewhere are the commands that need a program of others: they are run by test/commandline.
	elsewhere []string
	atLeast   int
}{
	"how-to/review.md": {
		files: map[string]string{"deploy/outpost.yaml": "examples/incident-deployment.yaml", "deploy/repair.yaml": "examples/naive-repair.yaml"},
		elsewhere: []string{
			"kubectl shm review -k overlays/prod",
			"kubectl shm review -k charts/web --values values-prod.yaml -n shop",
			"kustomize build overlays/prod | kubectl shm review -f -",
			"helm template web charts/web -f values-prod.yaml | kubectl shm review -f -",
		},
		atLeast: 3,
	},
	"how-to/policy-tests.md": {
		files: map[string]string{
			"deployment.yaml": "examples/incident-deployment.yaml", "deploy/outpost.yaml": "examples/incident-deployment.yaml",
			"policy-of-today.yaml": "manifests/policies/authentik-proxy-outposts.yaml", "tests/.keep": "LICENSE",
		},
		atLeast: 7,
	},
}

// Each command of a page works when the page is followed from its top.
func TestPages_CommandsWork(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "kubectl-shm"), "../cmd/kubectl-shm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// What kubectl does with the name of a plugin.
	const kubectl = "#!/bin/sh\nplugin=$1\nshift\nexec \"kubectl-$plugin\" \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(kubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for page, p := range commandPages {
		t.Run(page, func(t *testing.T) {
			dir := t.TempDir()
			for to, from := range p.files {
				content := read(t, filepath.Join("..", from))
				path := filepath.Join(dir, to)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			for _, command := range commandsOf(read(t, page)) {
				if slices.Contains(p.elsewhere, command) {
					continue
				}
				n++
				cmd := exec.Command("bash", "-o", "pipefail", "-c", command)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				want := 0
				if slices.Contains(p.rejects, command) {
					want = 1
				}
				if got := cmd.ProcessState.ExitCode(); got != want {
					t.Errorf("%s: exit status %d, want %d (%v): %s", command, got, want, err, out)
				}
			}
			if n < p.atLeast {
				t.Errorf("only %d commands were found, want %d or more: correct this test", n, p.atLeast)
			}
		})
	}
}

// commandsOf returns the commands of a page that call kubectl shm: lines that are indented by four columns, outside of fences.
func commandsOf(page string) []string {
	var out []string
	for line := range runbooks.Unfenced(page) {
		rest, indented := strings.CutPrefix(line, "    ")
		rest = strings.TrimSpace(rest)
		if indented && (strings.Contains(rest, "kubectl shm ") || strings.Contains(rest, "kubectl-shm ")) {
			out = append(out, rest)
		}
	}
	return out
}

package imports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/shmkeeper/shmkeeper/"

// goPackage is what `go list -json` says about a package without its tests, in paths without the
// module's for packages of ours.
type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string // everything reached, directly or not
}

func TestImports_FollowTheDiagram(t *testing.T) {
	text, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	arrows := diagram(string(text))
	if len(arrows) < 20 {
		t.Fatalf("the diagram in CONTRIBUTING.md has only %d arrows", len(arrows))
	}
	for _, fault := range compare(arrows, list(t)) {
		t.Error(fault)
	}
}

// The offline verbs of the command line know no cluster, the engine is a function of its arguments, and the server
// has what makes it large only if it needs it: with templates or plugins the linker keeps every
// exported method.
func TestImports_LinkOnlyWhatIsNeeded(t *testing.T) {
	clients := []string{"k8s.io/client-go", "net/http/httptest", "sigs.k8s.io/controller-runtime"}
	packages := list(t)
	for name, unwanted := range map[string][]string{
		"cmd/kubectl-shm/export": clients, "cmd/kubectl-shm/lint": clients, "cmd/kubectl-shm/policies": clients, "cmd/kubectl-shm/review": clients,
		"cmd/kubectl-shm/simulate": clients, "cmd/kubectl-shm/size": clients, "cmd/kubectl-shm/version": clients,
		"internal/admissionpolicy": clients, "policy": clients, "policy/matchcondition": clients, "policy/sizing": clients,
		"cmd/shmkeeper": {"github.com/cert-manager", "google.golang.org/grpc", "html/template", "k8s.io/apiserver", "plugin", "text/template"},
	} {
		i := slices.IndexFunc(packages, func(p goPackage) bool { return p.ImportPath == name })
		if i < 0 {
			t.Errorf("there is no package %q: let this test follow it", name)
			continue
		}
		for _, dep := range packages[i].Deps {
			if slices.ContainsFunc(unwanted, func(path string) bool { return isIn(path, dep) }) {
				t.Errorf("%q links %q: find the chain with `go list -deps -f '{{.ImportPath}} {{.Imports}}' ./%s` and cut it", name, dep, name)
				break // one brings dozens of packages
			}
		}
	}
}

// arrow says that one node of the diagram imports another.
type arrow struct{ from, to string }

// diagram returns the arrows of a text: from each line "a --> b & c" those from a to b and to c.
func diagram(text string) []arrow {
	var out []arrow
	for line := range strings.Lines(text) {
		from, to, found := strings.Cut(strings.TrimSpace(line), " --> ")
		if !found {
			continue
		}
		for _, node := range strings.Split(to, " & ") {
			out = append(out, arrow{from, node})
		}
	}
	return out
}

// compare returns one sentence for each import without an arrow and for each arrow without an
// import, sorted. A node stands for its package and for those below it that have no node.
func compare(arrows []arrow, packages []goPackage) []string {
	node := func(path string) string {
		longest := ""
		for _, a := range arrows {
			for _, n := range []string{a.from, a.to} {
				if isIn(n, path) && len(n) > len(longest) {
					longest = n
				}
			}
		}
		return longest
	}
	var out []string
	used := map[arrow]bool{}
	for _, p := range packages {
		for _, imported := range p.Imports {
			if !slices.ContainsFunc(packages, func(p goPackage) bool { return p.ImportPath == imported }) {
				continue // not ours
			}
			a := arrow{node(p.ImportPath), node(imported)}
			used[a] = true
			if (a.from == "" || a.from != a.to) && !slices.Contains(arrows, a) {
				out = append(out, fmt.Sprintf("%q imports %q: move the code that needs it, or draw an arrow in CONTRIBUTING.md and say why in the commit message", p.ImportPath, imported))
			}
		}
	}
	for _, a := range arrows {
		if !used[a] {
			out = append(out, fmt.Sprintf("no import uses the arrow from %q to %q: remove it from CONTRIBUTING.md", a.from, a.to))
		}
	}
	slices.Sort(out)
	return out
}

// isIn reports whether path is a folder or is below it.
func isIn(folder, path string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// list returns the packages of the module. `go test` does not know what that reads, so the Makefile
// runs these tests with -count=1.
func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", module+"...")
	cmd.Stderr = t.Output()
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	var out []goPackage
	for decoder := json.NewDecoder(strings.NewReader(strings.ReplaceAll(string(text), `"`+module, `"`))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
}

func TestCompare(t *testing.T) {
	const text = "```mermaid\nflowchart TD\n  cmd --> policy & certs\n  policy --> policy/v1\n```\n"
	packages := func(edit ...goPackage) []goPackage {
		return append([]goPackage{
			{ImportPath: "cmd", Imports: []string{"cmd/size", "certs", "fmt"}},
			{ImportPath: "cmd/size", Imports: []string{"policy"}},
			{ImportPath: "certs", Imports: []string{"k8s.io/api"}},
			{ImportPath: "policy", Imports: []string{"policy/v1"}},
			{ImportPath: "policy/v1"},
		}, edit...)
	}
	const remedy = ": move the code that needs it, or draw an arrow in CONTRIBUTING.md and say why in the commit message"
	for name, c := range map[string]struct {
		packages []goPackage
		want     []string
	}{
		"the diagram": {packages: packages()},
		"an import without an arrow": {
			packages(goPackage{ImportPath: "policy/sizing", Imports: []string{"certs"}}),
			[]string{`"policy/sizing" imports "certs"` + remedy},
		},
		"an import against an arrow": {
			packages(goPackage{ImportPath: "policy/v1/x", Imports: []string{"policy"}}),
			[]string{`"policy/v1/x" imports "policy"` + remedy},
		},
		"packages without a node": {
			packages(goPackage{ImportPath: "docs", Imports: []string{"docs/x"}}, goPackage{ImportPath: "docs/x"}),
			[]string{`"docs" imports "docs/x"` + remedy},
		},
		"arrows without an import": {
			packages()[1:],
			[]string{`no import uses the arrow from "cmd" to "certs": remove it from CONTRIBUTING.md`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, compare(diagram(text), c.packages)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

package arrows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/shmkeeper/shmkeeper"

// rule says what the code of one package, without its tests, may import. The standard library is allowed except for noStd.
type rule struct {
	own        []string // our packages, relative to the module, each exactly
	thirdParty []string // modules or parts of them, each with everything below it
	noStd      []string // standard packages that must not be imported, each with everything below it
	never      []string // packages that must not be reached through any chain of imports, each with everything below it
}

// clients is what could call a cluster: nothing of it is linked into a verb that works without one.
var clients = []string{"k8s.io/client-go", "net/http/httptest", "sigs.k8s.io/controller-runtime"}

// rules has one row for each package. A package without a row and a row without a package both fail.
var rules = map[string]rule{
	"cmd/kubectl-shm": {
		own: []string{
			"cmd/kubectl-shm/internal/cli", "cmd/kubectl-shm/lint", "cmd/kubectl-shm/policies", "cmd/kubectl-shm/review",
			"cmd/kubectl-shm/simulate", "cmd/kubectl-shm/size", "cmd/kubectl-shm/version",
		},
		thirdParty: []string{"golang.org/x/term"},
	},
	"cmd/kubectl-shm/internal/cli": {
		own:        []string{"internal/manifest"},
		thirdParty: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "sigs.k8s.io/yaml"},
		never:      clients,
	},
	"cmd/kubectl-shm/internal/clitest": {
		own:        []string{"cmd/kubectl-shm/internal/cli"},
		thirdParty: []string{"github.com/google/go-cmp"},
	},
	"cmd/kubectl-shm/internal/model": {
		own: []string{
			"cmd/kubectl-shm/internal/cli", "cmd/kubectl-shm/internal/policyfile", "internal/human", "internal/manifest",
			"policy", "policy/sizing", "policy/v1alpha1",
		},
		thirdParty: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "k8s.io/api", "k8s.io/apimachinery"},
		never:      clients,
	},
	"cmd/kubectl-shm/internal/policyfile": {
		own: []string{
			"cmd/kubectl-shm/internal/cli", "internal/manifest", "manifests/policies", "policy", "policy/sizing", "policy/v1alpha1",
		},
		thirdParty: []string{"github.com/evanphx/json-patch/v5", "k8s.io/apimachinery"},
		never:      clients,
	},
	"cmd/kubectl-shm/lint": {
		own: []string{
			"cmd/kubectl-shm/internal/cli", "cmd/kubectl-shm/internal/model", "cmd/kubectl-shm/internal/policyfile",
			"internal/manifest", "internal/podkind", "policy", "policy/matchcondition", "policy/sizing", "policy/v1alpha1",
		},
		thirdParty: []string{"github.com/spf13/cobra", "k8s.io/apimachinery"},
		never:      clients,
	},
	"cmd/kubectl-shm/policies": {
		own:        []string{"cmd/kubectl-shm/internal/cli", "cmd/kubectl-shm/internal/policyfile", "internal/human", "policy/sizing", "policy/v1alpha1"},
		thirdParty: []string{"github.com/spf13/cobra", "k8s.io/apimachinery"},
		never:      clients,
	},
	"cmd/kubectl-shm/review": {
		own: []string{
			"cmd/kubectl-shm/internal/cli", "cmd/kubectl-shm/internal/policyfile", "internal/limitrange", "internal/manifest",
			"internal/podkind", "internal/podtemplate", "policy", "policy/sizing", "policy/v1alpha1",
		},
		thirdParty: []string{
			"github.com/aymanbagabas/go-udiff",
			"github.com/evanphx/json-patch/v5",
			"github.com/spf13/cobra",
			"gomodules.xyz/jsonpatch/v2",
			"k8s.io/api",
			"k8s.io/apimachinery",
			"sigs.k8s.io/json",
		},
		never: clients,
	},
	"cmd/kubectl-shm/simulate": {
		own: []string{
			"cmd/kubectl-shm/internal/cli", "cmd/kubectl-shm/internal/model", "internal/human", "internal/simulate", "policy/sizing",
		},
		thirdParty: []string{"github.com/spf13/cobra"},
		never:      clients,
	},
	"cmd/kubectl-shm/size": {
		own: []string{
			"cmd/kubectl-shm/internal/cli", "cmd/kubectl-shm/internal/model", "internal/human", "policy", "policy/sizing", "policy/v1alpha1",
		},
		thirdParty: []string{"github.com/spf13/cobra", "k8s.io/apimachinery", "sigs.k8s.io/yaml"},
		never:      clients,
	},
	"cmd/kubectl-shm/version": {
		own:        []string{"cmd/kubectl-shm/internal/cli", "internal/version", "policy/v1alpha1"},
		thirdParty: []string{"github.com/spf13/cobra"},
		never:      clients,
	},
	// Certificates know the API server and nothing of policies.
	"certs": {
		thirdParty: []string{
			"github.com/cert-manager/cert-manager/pkg/util", "github.com/go-logr/logr", "github.com/prometheus/client_golang",
			"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "k8s.io/utils", "sigs.k8s.io/controller-runtime",
		},
	},
	"cmd/shmkeeper": {
		own: []string{
			"certs", "internal/cluster", "internal/policystatus", "internal/version", "internal/webhookconfig", "manifests/webhooks",
			"policy", "policy/v1alpha1", "webhook",
		},
		thirdParty: []string{
			"github.com/go-logr/logr", "github.com/spf13/pflag",
			"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "sigs.k8s.io/controller-runtime",
		},
	},
	// A control plane for tests; it knows nothing of shmkeeper.
	"envtest":              {thirdParty: []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/apiserver/pkg/apis/audit", "k8s.io/client-go"}},
	"envtest/api":          {},
	"envtest/cmd/binaries": {own: []string{"envtest"}},
	"envtest/cmd/demo":     {own: []string{"envtest", "envtest/install", "policy/v1alpha1"}, thirdParty: []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go"}},
	"envtest/e2e":          {},
	"envtest/install":      {own: []string{"envtest"}, thirdParty: []string{"k8s.io/client-go"}}, // credentials of a process
	"docs":                 {},
	"internal/arrows":      {},
	"internal/cluster": {
		own: []string{"policy", "policy/matchcondition", "policy/v1alpha1"},
		thirdParty: []string{
			"github.com/go-logr/logr", "github.com/prometheus/client_golang",
			"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "sigs.k8s.io/controller-runtime",
		},
	},
	"internal/limitrange": {own: []string{"policy"}, thirdParty: []string{"k8s.io/api"}},
	// Turns text into objects and back; it knows no policy.
	"internal/manifest": {
		own:        []string{"internal/yamledit"},
		thirdParty: []string{"github.com/evanphx/json-patch/v5", "gomodules.xyz/jsonpatch/v2", "k8s.io/api", "k8s.io/apimachinery", "sigs.k8s.io/json"},
	},
	// A tool: it reads the engine's source and nothing else of it.
	"internal/mutants": {thirdParty: []string{"sigs.k8s.io/yaml"}},
	// The tables of valid and invalid policies, for tests.
	"internal/policycases": {own: []string{"policy/v1alpha1"}, thirdParty: []string{"sigs.k8s.io/yaml"}},
	// The one table of Kubernetes' own kinds.
	"internal/podkind": {thirdParty: []string{"k8s.io/api", "k8s.io/apimachinery"}},
	// Finds Pod templates by their shape; it knows no policy and no kind's own types.
	"internal/podtemplate": {own: []string{"internal/manifest"}, thirdParty: []string{"k8s.io/api", "k8s.io/apimachinery"}},
	// Figures as people read them, of anything.
	"internal/human": {thirdParty: []string{"github.com/dustin/go-humanize"}},
	// Independent of the engine, so that it can contradict the formula.
	"internal/simulate": {
		own:        []string{"internal/human"},
		thirdParty: []string{"gonum.org/v1/gonum", "gonum.org/v1/plot", "k8s.io/apimachinery/pkg/api/resource"},
	},
	"internal/prose":   {},
	"internal/shape":   {},
	"internal/version": {},
	// Changes values in a text; it knows nothing of Kubernetes.
	"internal/yamledit":  {thirdParty: []string{"go.yaml.in/yaml", "sigs.k8s.io/yaml"}},
	"manifests":          {},
	"manifests/policies": {},
	"manifests/webhooks": {},
	// A function of its arguments: no I/O, no clock, no log, nothing shared.
	"policy": {
		own:        []string{"policy/sizing", "policy/v1alpha1"},
		thirdParty: []string{"gomodules.xyz/jsonpatch/v2", "gonum.org/v1/gonum", "k8s.io/api", "k8s.io/apimachinery"},
		noStd:      []string{"context", "io/fs", "io/ioutil", "log", "math/rand", "net", "os", "sync", "syscall"},
		never:      []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
	},
	// Policies to CEL, without the engine: what it lets through is compared with the engine in a test.
	"policy/matchcondition": {
		own:        []string{"policy/v1alpha1"},
		thirdParty: []string{"k8s.io/apimachinery"},
		noStd:      []string{"context", "io/fs", "io/ioutil", "log", "math/rand", "net", "os", "sync", "syscall"},
		never:      []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
	},
	"policy/policytest": {
		own: []string{"internal/manifest", "internal/podkind", "manifests/policies", "policy", "policy/v1alpha1"},
		thirdParty: []string{
			"github.com/google/go-cmp",
			"k8s.io/api",
			"k8s.io/apimachinery",
			"sigs.k8s.io/yaml",
		},
	},
	// Arithmetic, without a Pod or a policy.
	"policy/sizing": {
		own:        []string{"internal/human"},
		thirdParty: []string{"gonum.org/v1/gonum", "k8s.io/apimachinery/pkg/api/resource"},
		noStd:      []string{"context", "io/fs", "io/ioutil", "log", "math/rand", "net", "os", "sync", "syscall"},
		never:      []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
	},
	// Reads the view, and writes nothing but a status.
	"internal/policystatus": {
		own:        []string{"internal/cluster", "policy/v1alpha1"},
		thirdParty: []string{"k8s.io/apimachinery", "sigs.k8s.io/controller-runtime"},
	},
	// Certificates are bytes to it.
	"internal/webhookconfig": {
		own: []string{"internal/cluster", "policy/matchcondition"},
		thirdParty: []string{
			"github.com/go-logr/logr", "github.com/prometheus/client_golang",
			"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "sigs.k8s.io/controller-runtime", "sigs.k8s.io/yaml",
		},
		never: []string{"github.com/cert-manager/cert-manager"},
	},
	"policy/v1alpha1": {thirdParty: []string{"k8s.io/api", "k8s.io/apimachinery"}},
	// The sizes on other kernels: it knows the arithmetic alone.
	"test/kernels":        {own: []string{"policy/sizing", "test/kernels/report"}},
	"test/kernels/guest":  {own: []string{"test/kernels/report"}},
	"test/kernels/report": {},
	// Wire to engine, and nothing else: it calls nobody.
	"webhook": {
		own: []string{"internal/limitrange", "internal/podkind", "policy", "policy/sizing", "policy/v1alpha1"},
		thirdParty: []string{
			"github.com/prometheus/client_golang", "gomodules.xyz/jsonpatch/v2",
			"k8s.io/api", "k8s.io/apimachinery", "sigs.k8s.io/controller-runtime", "sigs.k8s.io/json",
		},
		never: []string{"github.com/cert-manager/cert-manager"},
	},
}

// goPackage is what `go list -json` tells of a package; test files do not count.
type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string // everything reached, directly or not
}

func TestImportsFollowTheArrows(t *testing.T) {
	root := moduleRoot(t)
	readFolders(t, root)
	pkgs := list(t, root)
	if len(pkgs) == 0 {
		t.Fatalf("go list finds no package in %q", root)
	}
	for _, b := range breaches(rules, pkgs) {
		t.Error(b)
	}
}

func TestEngineIsPure(t *testing.T) {
	root := moduleRoot(t)
	var files []string
	for _, pkg := range []string{"policy", "policy/matchcondition", "policy/sizing"} {
		names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 {
			t.Fatalf("no Go file in %q: if the package has moved, let this test follow it", pkg)
		}
		files = append(files, names...)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, s := range impurities(fset, file) {
			t.Error(s)
		}
	}
}

// breaches compares packages with the rules and returns one sentence for each difference, sorted.
func breaches(rules map[string]rule, pkgs []goPackage) []string {
	var out []string
	seen := map[string]bool{}
	for _, pkg := range pkgs {
		name := relative(pkg.ImportPath)
		seen[name] = true
		r, ok := rules[name]
		if !ok {
			out = append(out, fmt.Sprintf("package %q has no row; add one to rules in internal/arrows that names what it may import", name))
			continue
		}
		for _, imported := range pkg.Imports {
			if reason := r.refuses(imported); reason != "" {
				out = append(out, fmt.Sprintf("package %q imports %q, %s; move the code that needs it, or change the row in internal/arrows and say why", name, imported, reason))
			}
		}
		for _, never := range r.never {
			// One package of a forbidden module is enough to find the chain; it usually brings dozens.
			i := slices.IndexFunc(pkg.Deps, func(dep string) bool { return under(dep, []string{never}) })
			if i >= 0 {
				out = append(out, fmt.Sprintf("package %q reaches %q, which it must never link; find the chain with `go list -deps -f '{{.ImportPath}} {{.Imports}}' ./%s` and cut it", name, pkg.Deps[i], name))
			}
		}
	}
	for name := range rules {
		if !seen[name] {
			out = append(out, fmt.Sprintf("the row %q is left over: there is no such package; remove it from rules in internal/arrows", name))
		}
	}
	slices.Sort(out)
	return out
}

// refuses says why path must not be imported, or nothing when it may be.
func (r rule) refuses(path string) string {
	switch {
	case path == module || strings.HasPrefix(path, module+"/"):
		if !slices.Contains(r.own, relative(path)) {
			return "a package of ours that its row does not allow"
		}
	case isStandard(path):
		if under(path, r.noStd) {
			return "a standard package that its row forbids"
		}
	case !under(path, r.thirdParty):
		return "a third-party package that its row does not allow"
	}
	return ""
}

// relative returns the path of one of our packages without the module's; the root package is ".".
func relative(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// isStandard reports whether a package is the standard library's. It relies on the first element of every module's path having a dot, which no standard package's has.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// under reports whether path is one of the given paths or lies below one.
func under(path string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		return path == p || strings.HasPrefix(path, p+"/")
	})
}

// impure lists, for each standard package that the engine may import, the functions that it must not use all the same.
var impure = map[string][]string{
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"time": {"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"},
}

// impurities returns one sentence for each thing in a file that a pure package does not do. It goes by names alone,
// so a variable that is called like an imported package counts as that package.
func impurities(fset *token.FileSet, file *ast.File) []string {
	var out []string
	report := func(n ast.Node, what, remedy string) {
		out = append(out, fmt.Sprintf("%s: %s; %s", fset.Position(n.Pos()), what, remedy))
	}
	imported := map[string]string{} // local name to path
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it already
		}
		local := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == "." {
			report(spec, fmt.Sprintf("dot import of %q", path), "import it under its name")
		}
		imported[local] = path
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				report(n, "func init", "compute it where it is used, or in Compile")
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			path := imported[x.Name]
			if slices.Contains(impure[path], n.Sel.Name) {
				report(n, fmt.Sprintf("use of %s.%s", path, n.Sel.Name), "take the value as an argument, or return it to the caller")
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				report(n, "call of "+f.Name, "return the text to the caller")
			}
		}
		return true
	})
	return out
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	gomod := strings.TrimSpace(string(run(t, ".", "go", "env", "GOMOD")))
	return filepath.Dir(gomod)
}

// readFolders opens every source folder of the module: `go test` reuses a passing result until something that the test itself
// has opened changes, and what `go list` opens is not known to it.
func readFolders(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, root string) []goPackage {
	t.Helper()
	out := run(t, root, "go", "list", "-json=ImportPath,Imports,Deps", "./...")
	var pkgs []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg goPackage
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, pkg)
	}
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return out
}

func TestBreaches(t *testing.T) {
	engine := map[string]rule{"policy": {
		own:        []string{"policy/v1alpha1"},
		thirdParty: []string{"k8s.io/api"},
		noStd:      []string{"net"},
		never:      []string{"k8s.io/client-go"},
	}}
	const mend = "; move the code that needs it, or change the row in internal/arrows and say why"
	for name, tc := range map[string]struct {
		pkg  goPackage
		want []string
	}{
		"what the row names may be imported": {
			pkg: goPackage{
				ImportPath: module + "/policy",
				Imports:    []string{"strings", module + "/policy/v1alpha1", "k8s.io/api", "k8s.io/api/core/v1"},
				Deps:       []string{"net/http", "k8s.io/client-gopher"},
			},
		},
		"a sibling of an allowed package may not": {
			pkg:  goPackage{ImportPath: module + "/policy", Imports: []string{module + "/policy/policytest"}},
			want: []string{`package "policy" imports "` + module + `/policy/policytest", a package of ours that its row does not allow` + mend},
		},
		"a module whose path merely starts alike may not": {
			pkg:  goPackage{ImportPath: module + "/policy", Imports: []string{"k8s.io/apiserver"}},
			want: []string{`package "policy" imports "k8s.io/apiserver", a third-party package that its row does not allow` + mend},
		},
		"a forbidden standard package takes along what is below it": {
			pkg:  goPackage{ImportPath: module + "/policy", Imports: []string{"net/url"}},
			want: []string{`package "policy" imports "net/url", a standard package that its row forbids` + mend},
		},
		"what must never be linked is found behind other packages, and told once": {
			pkg: goPackage{ImportPath: module + "/policy", Deps: []string{"io", "k8s.io/client-go/rest", "k8s.io/client-go/transport"}},
			want: []string{
				`package "policy" reaches "k8s.io/client-go/rest", which it must never link; ` +
					"find the chain with `go list -deps -f '{{.ImportPath}} {{.Imports}}' ./policy` and cut it",
			},
		},
		"a package without a row and a row without a package": {
			pkg: goPackage{ImportPath: module + "/webhook"},
			want: []string{
				`package "webhook" has no row; add one to rules in internal/arrows that names what it may import`,
				`the row "policy" is left over: there is no such package; remove it from rules in internal/arrows`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := breaches(engine, []goPackage{tc.pkg}); !slices.Equal(got, tc.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestImpurities(t *testing.T) {
	for name, tc := range map[string]struct {
		source string
		want   []string
	}{
		"durations and formatting are fine": {
			source: `package p; import ("fmt"; "time"); func f() string { return fmt.Sprint(time.Minute) }`,
		},
		"the clock": {
			source: `package p; import "time"; func f() time.Time { return time.Now() }`,
			want:   []string{"p.go:1:55: use of time.Now; take the value as an argument, or return it to the caller"},
		},
		"the clock under another name and not called": {
			source: `package p; import clock "time"; var now = clock.Now`,
			want:   []string{"p.go:1:43: use of time.Now; take the value as an argument, or return it to the caller"},
		},
		"printing": {
			source: `package p; import "fmt"; func f() { fmt.Println(); println() }`,
			want: []string{
				"p.go:1:37: use of fmt.Println; take the value as an argument, or return it to the caller",
				"p.go:1:52: call of println; return the text to the caller",
			},
		},
		"a dot import hides where a name is from": {
			source: `package p; import . "time"`,
			want:   []string{`p.go:1:19: dot import of "time"; import it under its name`},
		},
		"init": {
			source: `package p; type t int; func (t) init() {}; func init() {}`,
			want:   []string{"p.go:1:44: func init; compute it where it is used, or in Compile"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, "p.go", tc.source, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if got := impurities(fset, file); !slices.Equal(got, tc.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

// Package docs_test keeps the documentation complete.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each field of the API has a row in policy.md.
func TestEachFieldIsDocumented(t *testing.T) {
	text := read(t, "policy.md")
	n := 0
	var walk func(path string, of reflect.Type)
	walk = func(path string, of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of.PkgPath() != reflect.TypeFor[v1alpha1.Match]().PkgPath() {
			return // a value, or a type of Kubernetes
		}
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			n++
			if !strings.Contains(text, "\n| `"+path+name+"` |") {
				t.Errorf("policy.md has no row for the field %s%s: add one", path, name)
			}
			if name != "exclude" { // of the same shape as match
				walk(path+name+".", of.Field(i).Type)
			}
		}
	}
	walk("", reflect.TypeFor[v1alpha1.SharedMemoryPolicySpec]())
	walk("", reflect.TypeFor[v1alpha1.SharedMemoryPolicyStatus]())
	if n < 60 {
		t.Errorf("only %d fields were found: correct this test", n)
	}
}

// Each default of the CRD stands in the row of its field in policy.md, and so does each word
// that the field may have.
func TestEachDefaultAndWordIsDocumented(t *testing.T) {
	var crd apiextensionsv1.CustomResourceDefinition
	content := read(t, "../manifests/crd/shmkeeper.dev_sharedmemorypolicies.yaml")
	if err := yaml.Unmarshal([]byte(content), &crd); err != nil {
		t.Fatal(err)
	}
	page := rows(read(t, "policy.md"))
	defaults, words := 0, 0
	var walk func(path string, s *apiextensionsv1.JSONSchemaProps)
	walk = func(path string, s *apiextensionsv1.JSONSchemaProps) {
		if s.Items != nil {
			walk(path, s.Items.Schema)
		}
		row := page[path]
		if s.Default != nil && s.Type != "object" {
			defaults++
			// The quotes of a text are shown if it looks like a number.
			text := string(s.Default.Raw)
			bare := strings.Trim(text, `"`)
			if !strings.HasPrefix(row, " `"+text+"` |") && !strings.HasPrefix(row, " `"+bare+"` |") {
				t.Errorf("policy.md does not give %s the default `%s`: correct its row", path, bare)
			}
		}
		if path == "exclude" { // of the same shape as match
			return
		}
		for _, word := range s.Enum {
			words++
			quoted := "`" + strings.Trim(string(word.Raw), `"`) + "`"
			if !strings.Contains(row, quoted) && !strings.Contains(read(t, "policy.md"), "\n| "+quoted+" |") {
				t.Errorf("policy.md does not mention %s of %s: add it to its row", quoted, path)
			}
		}
		for name, property := range s.Properties {
			if name != "podSelector" && name != "namespaceSelector" {
				walk(strings.TrimPrefix(path+"."+name, "."), &property)
			}
		}
	}
	spec := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	walk("", &spec)
	if defaults < 15 || words < 25 {
		t.Errorf("only %d defaults and %d words were found: correct this test", defaults, words)
	}
}

// Each policy that policy.md shows is valid.
func TestEachPolicyThatIsShownIsValid(t *testing.T) {
	n := 0
	for _, rest := range strings.Split(read(t, "policy.md"), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(rest, "```")
		n++
		var p v1alpha1.SharedMemoryPolicy
		if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
			t.Errorf("%v: correct the example\n%s", err, text)
			continue
		}
		if _, errs := policy.Compile(&p); len(errs) > 0 {
			t.Errorf("%v: correct the example\n%s", errs.ToAggregate(), text)
		}
	}
	if n < 5 {
		t.Errorf("only %d policies were found: correct this test", n)
	}
}

// Each label and annotation, and each reason, stands in policy.md.
func TestEachNameAndReasonIsDocumented(t *testing.T) {
	text := read(t, "policy.md")
	for file, of := range map[string]string{
		"../policy/v1alpha1/names.go": "",
		"../policy/reason.go":         "Reason",
	} {
		values := constants(t, file, of)
		if len(values) < 8 {
			t.Errorf("%s: only %d constants were found: fix this test", file, len(values))
		}
		for _, value := range values {
			if !strings.Contains(text, "`"+value+"`") {
				t.Errorf("policy.md does not mention `%s` of %s: add it", value, file)
			}
		}
	}
}

// constants returns the string constants of a file that are of a type; of any for "".
func constants(t *testing.T, file, of string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); of != "" && (!ok || name.Name != of) {
			return true
		}
		for _, v := range spec.Values {
			if literal, ok := v.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					out = append(out, text)
				}
			}
		}
		return true
	})
	return out
}

// Links from one page to another, and to files, lead somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		for _, rest := range strings.Split(read(t, page), "](")[1:] {
			target, _, _ := strings.Cut(rest, ")")
			target, _, _ = strings.Cut(target, "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", page, target)
			}
		}
	}
}

// source parses the Go files of a folder, without its tests.
func source(t *testing.T, folder string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, file)
	}
	if len(out) == 0 {
		t.Fatalf("%s has no Go files", folder)
	}
	return out
}

// inspect calls do for each node of a type.
func inspect[N ast.Node](files []*ast.File, do func(N)) {
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if of, ok := n.(N); ok {
				do(of)
			}
			return true
		})
	}
}

// unquoted returns the value of a string literal; ok is false for all else.
func unquoted(e ast.Expr) (value string, ok bool) {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(literal.Value)
	return value, err == nil
}

// function returns the name of the function that is called, without the package or the receiver.
func function(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	default:
		return ""
	}
}

// rows returns the rows of the tables of a page, by the first cell, which has to be code. Of several with the same the last counts.
func rows(page string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(page) {
		if rest, found := strings.CutPrefix(line, "| `"); found {
			if name, row, found := strings.Cut(rest, "` |"); found {
				out[name] = row
			}
		}
	}
	return out
}

// compare wants a row of server.md for each name, and a name for each of the rows that begin so.
func compare(t *testing.T, what, prefix string, names []string, least int) {
	t.Helper()
	if len(names) < least {
		t.Errorf("only %d were found of what is a %s: fix this test", len(names), what)
	}
	page := rows(read(t, "server.md"))
	for _, name := range names {
		if _, found := page[name]; !found {
			t.Errorf("server.md has no row for the %s %s: add one", what, name)
		}
	}
	for name := range page {
		if prefix != "" && strings.HasPrefix(name, prefix) && !slices.Contains(names, name) {
			t.Errorf("server.md has a row for the %s %s, which does not exist: remove it", what, name)
		}
	}
}

// Each flag of the server has a row in server.md, and each row a flag. The defaults are looked at in cmd/shmkeeper, which can make the flags.
func TestEachFlagOfTheServerIsDocumented(t *testing.T) {
	var names []string
	inspect(source(t, "../cmd/shmkeeper"), func(call *ast.CallExpr) {
		if strings.HasSuffix(function(call), "Var") && len(call.Args) == 4 {
			if name, ok := unquoted(call.Args[1]); ok {
				names = append(names, "--"+name)
			}
		}
	})
	compare(t, "flag", "--", names, 20)
}

// Each flag that a page or a message of the server names is one.
func TestNoMessageNamesAFlagThatIsNone(t *testing.T) {
	flags := rows(read(t, "server.md"))
	// These are not the server's.
	other := []string{
		"--all", "--build-arg", "--clusterrole", "--for", "--group", "--help", "--ignore-not-found", "--overwrite", "--platform", "--push",
		"--serviceaccount", "--tag", "--timeout",
	}
	flag := regexp.MustCompile(`(?:^|[^-\w])(--[a-z][a-z-]*)`)
	check := func(where, in string) {
		for _, match := range flag.FindAllStringSubmatch(in, -1) {
			if _, found := flags[match[1]]; !found && !slices.Contains(other, match[1]) {
				t.Errorf("%s names the flag %s, which the server does not have", where, match[1])
			}
		}
	}
	for _, page := range []string{"install.md", "server.md"} {
		check(page, read(t, page))
	}
	for _, folder := range []string{"../certs", "../cmd/shmkeeper", "../internal/cluster", "../webhook"} {
		inspect(source(t, folder), func(literal *ast.BasicLit) {
			if value, ok := unquoted(literal); ok {
				check(folder, value)
			}
		})
	}
}

// Each metric has a row in server.md that names its labels, and each row a metric.
func TestEachMetricIsDocumented(t *testing.T) {
	const prefix = "shmkeeper_"
	page := rows(read(t, "server.md"))
	var names []string
	for _, folder := range []string{"../certs", "../cmd/shmkeeper", "../internal/cluster", "../webhook"} {
		inspect(source(t, folder), func(literal *ast.BasicLit) {
			if name, ok := unquoted(literal); ok && strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		})
		inspect(source(t, folder), func(call *ast.CallExpr) {
			if name, labels := metric(call); strings.HasPrefix(name, prefix) {
				row, _, _ := strings.Cut(page[name], "|")
				if want := strings.Join(labels, "`, `"); strings.Trim(row, " `") != want {
					t.Errorf("server.md gives the metric %s the labels %s, not `%s`: fix its row", name, row, want)
				}
			}
		})
	}
	compare(t, "metric", prefix, names, 7)
}

// metric returns the name of the metric that a call makes, and its labels.
func metric(call *ast.CallExpr) (name string, labels []string) {
	if !strings.HasPrefix(function(call), "New") {
		return "", nil
	}
	for _, arg := range call.Args {
		if value, ok := unquoted(arg); ok && name == "" {
			name = value // of a description
		}
		literal, ok := arg.(*ast.CompositeLit)
		if !ok {
			continue
		}
		for _, element := range literal.Elts {
			if label, ok := unquoted(element); ok {
				labels = append(labels, label)
			}
			if field, ok := element.(*ast.KeyValueExpr); ok && name == "" {
				name, _ = unquoted(field.Value) // of options, where it stands first
			}
		}
	}
	return name, labels
}

// Each key of an audit annotation has a row in server.md.
func TestEachAuditAnnotationIsDocumented(t *testing.T) {
	files := source(t, "../webhook")
	var keys []string
	add := func(e ast.Expr) {
		if key, ok := unquoted(e); ok {
			keys = append(keys, key)
		}
	}
	literals := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				add(n.Key)
			case *ast.IndexExpr: // an assignment to a map
				add(n.Index)
			}
			return true
		})
	}
	inspect(files, func(f *ast.FuncDecl) {
		if f.Name.Name == "annotations" {
			literals(f.Body)
		}
	})
	inspect(files, func(call *ast.CallExpr) {
		switch function(call) {
		case "allow", "patch", "deny":
			literals(call)
		}
	})
	compare(t, "audit annotation", "", keys, 7)
}

// Each check of health and readiness has a row in server.md, with its path.
func TestEachHealthCheckIsDocumented(t *testing.T) {
	page := rows(read(t, "server.md"))
	var names []string
	inspect(source(t, "../cmd/shmkeeper"), func(call *ast.CallExpr) {
		path, found := map[string]string{"AddHealthzCheck": "/healthz", "AddReadyzCheck": "/readyz"}[function(call)]
		if !found {
			return
		}
		name, ok := unquoted(call.Args[0])
		if !ok {
			t.Fatal("a check has no literal for its name: fix this test")
		}
		names = append(names, name)
		if !strings.HasPrefix(page[name], " `"+path+"` |") {
			t.Errorf("server.md does not say that the check %s is at %s: fix its row", name, path)
		}
	})
	compare(t, "check", "", names, 5)
}

// Each form of a message that a client gets from a webhook stands in server.md, but for what is put
// into it. The sentences about a Pod are the engine's, and so are those about what a policy gives.
func TestEachMessageIsDocumented(t *testing.T) {
	var nodes []ast.Node
	for _, file := range source(t, "../webhook") {
		nodes = append(nodes, file)
	}
	inspect(append(source(t, "../policy"), source(t, "../policy/sizing")...), func(f *ast.FuncDecl) {
		if slices.Contains([]string{"Details", "Sentence", "SizeWarning", "Shortfall"}, f.Name.Name) {
			nodes = append(nodes, f.Body)
		}
	})
	page := read(t, "server.md")
	verb := regexp.MustCompile(`"?%[a-z]"?`)
	n := 0
	for _, node := range nodes {
		help := map[ast.Node]bool{} // of metrics
		ast.Inspect(node, func(node ast.Node) bool {
			if field, ok := node.(*ast.KeyValueExpr); ok {
				if key, ok := field.Key.(*ast.Ident); ok && key.Name == "Help" {
					help[field.Value] = true
				}
			}
			literal, ok := node.(*ast.BasicLit)
			if !ok || help[literal] {
				return true
			}
			message, ok := unquoted(literal)
			if !ok || !strings.Contains(message, " ") {
				return true
			}
			n++
			for _, part := range verb.Split(strings.ReplaceAll(message, "%%", "%"), -1) {
				if part = strings.Trim(part, " "); len(part) > 3 && !strings.Contains(page, part) {
					t.Errorf("server.md does not have %q of the message %q: add it", part, message)
				}
			}
			return true
		})
	}
	if n < 25 {
		t.Errorf("only %d messages were found: fix this test", n)
	}
}

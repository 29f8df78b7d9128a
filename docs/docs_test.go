// Package docs_test keeps the documentation complete.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[resource.Quantity]() || of == reflect.TypeFor[metav1.LabelSelector]() {
			return
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
	if n < 30 {
		t.Errorf("only %d fields were found: mend this test", n)
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
			t.Errorf("%s: only %d constants were found: mend this test", file, len(values))
		}
		for _, value := range values {
			if !strings.Contains(text, "`"+value+"`") {
				t.Errorf("policy.md does not mention `%s` of %s: add it", value, file)
			}
		}
	}
}

// constants are the string constants of a file that are of a type; of any for "".
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

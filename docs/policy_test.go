package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Each field of the API has a row in reference/policy.md.
func TestPolicyPage_EachField(t *testing.T) {
	text := read(t, "reference/policy.md")
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
				t.Errorf("reference/policy.md has no row for the field %s%s: add one", path, name)
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

// Each default of the CRD stands in the row of its field in reference/policy.md, and so does each word
// that the field may have.
func TestPolicyPage_EachDefaultAndWord(t *testing.T) {
	var crd apiextensionsv1.CustomResourceDefinition
	content := read(t, "../manifests/crd/shmkeeper.dev_sharedmemorypolicies.yaml")
	if err := yaml.Unmarshal([]byte(content), &crd); err != nil {
		t.Fatal(err)
	}
	page := rows(read(t, "reference/policy.md"))
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
				t.Errorf("reference/policy.md does not give %s the default `%s`: correct its row", path, bare)
			}
		}
		if path == "exclude" { // of the same shape as match
			return
		}
		for _, word := range s.Enum {
			words++
			quoted := "`" + strings.Trim(string(word.Raw), `"`) + "`"
			if !strings.Contains(row, quoted) && !strings.Contains(read(t, "reference/policy.md"), "\n| "+quoted+" |") {
				t.Errorf("reference/policy.md does not mention %s of %s: add it to its row", quoted, path)
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

// Each policy that how-to/choose-a-policy.md shows is valid.
func TestChooseAPolicy_PoliciesAreValid(t *testing.T) {
	n := 0
	for _, rest := range strings.Split(read(t, "how-to/choose-a-policy.md"), "```yaml\n")[1:] {
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

// Each label and annotation, and each reason, stands in reference/policy.md.
func TestPolicyPage_EachNameAndReason(t *testing.T) {
	text := read(t, "reference/policy.md")
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
				t.Errorf("reference/policy.md does not mention `%s` of %s: add it", value, file)
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

package v1alpha1_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const (
	cases   = "../testdata/policies"
	library = "../../manifests/policies"
)

// testCase is one policy, and what the API server and Compile say about it. The files
// under policy/testdata/policies are tables of them, with sentences as keys. A line that
// is wanted is "FIELD: MESSAGE" or "FIELD: TYPE", the latter if the API server has words
// of its own (enum, maxLength, maxItems and so on).
type testCase struct {
	// Metadata replaces the metadata.
	Metadata json.RawMessage `json:"metadata"`
	// Spec replaces fields of a spec that matches an image and has a fixed size.
	Spec map[string]json.RawMessage `json:"spec"`
	// Without names fields of the spec to leave out, or spec itself.
	Without []string `json:"without"`

	// Want is said by both.
	Want []string `json:"want"`
	// Server is said by the API server alone: the Go type does not tell the value from an
	// absent one, or cannot hold it.
	Server []string `json:"server"`
	// Compiler is said by Compile alone.
	Compiler []string `json:"compiler"`
	// Unknown are the fields that both reject when they are strict.
	Unknown []string `json:"unknown"`
	// Undecodable is said by the Go type's decoder, which leaves nothing for Compile.
	Undecodable string `json:"undecodable"`
}

// object returns the policy of the case as JSON.
func (c testCase) object(t *testing.T) []byte {
	t.Helper()
	spec := map[string]json.RawMessage{
		"match":  json.RawMessage(`[{"images": ["ghcr.io/example/app"]}]`),
		"sizing": json.RawMessage(`{"fixed": {"size": "1Gi"}}`),
	}
	maps.Copy(spec, c.Spec)
	object := map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       v1alpha1.Kind,
		"metadata":   json.RawMessage(`{"name": "session-stores"}`),
		"spec":       spec,
	}
	if c.Metadata != nil {
		object["metadata"] = c.Metadata
	}
	for _, name := range c.Without {
		if name == "spec" {
			delete(object, name)
		}
		delete(spec, name)
	}
	content, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// server returns what the API server says, sorted.
func (c testCase) server() []string {
	return slices.Sorted(slices.Values(slices.Concat(c.Want, c.Server)))
}

// compiler returns what Compile says, sorted.
func (c testCase) compiler() []string {
	return slices.Sorted(slices.Values(slices.Concat(c.Want, c.Compiler)))
}

// eachCase runs f for each case in the tables of a folder.
func eachCase(t *testing.T, folder string, f func(t *testing.T, c testCase)) {
	t.Helper()
	eachFile(t, filepath.Join(cases, folder, "*.yaml"), func(t *testing.T, content []byte) {
		var table map[string]testCase
		if err := yaml.UnmarshalStrict(content, &table); err != nil {
			t.Fatal(err)
		}
		if len(table) == 0 {
			t.Fatal("the table has no case")
		}
		for _, sentence := range slices.Sorted(maps.Keys(table)) {
			t.Run(sentence, func(t *testing.T) { f(t, table[sentence]) })
		}
	})
}

// eachValid runs f for each valid policy: the cases, and those of the library.
func eachValid(t *testing.T, f func(t *testing.T, object []byte)) {
	t.Helper()
	eachCase(t, "valid", func(t *testing.T, c testCase) { f(t, c.object(t)) })
	eachFile(t, library+"/*.yaml", func(t *testing.T, manifest []byte) {
		object, err := yaml.YAMLToJSONStrict(manifest)
		if err != nil {
			t.Fatal(err)
		}
		f(t, object)
	})
}

func eachFile(t *testing.T, pattern string, f func(t *testing.T, content []byte)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no file, error %v", pattern, err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		if name == "kustomization" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f(t, content)
		})
	}
}

// linesOf renders errors as the lines that are wanted: with the type if a line wants the
// type, and otherwise with the message.
func linesOf(errs field.ErrorList, want []string) []string {
	var lines []string
	for _, err := range errs {
		line := err.Field + ": " + err.Detail
		byType := err.Field + ": " + string(err.Type)
		if !slices.Contains(want, line) && slices.Contains(want, byType) {
			line = byType
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// withoutSkipped leaves out the API server's remark that it has not run the CEL
// rules because of other errors.
func withoutSkipped(errs field.ErrorList) field.ErrorList {
	const skipped = "some validation rules were not checked because the object was invalid; " +
		"correct the existing errors to complete validation"
	is := func(err *field.Error) bool { return err.Detail == skipped }
	return slices.DeleteFunc(slices.Clone(errs), is)
}

// decodeStrictly decodes as the command line does. unknown are the fields that the
// Go type does not have.
func decodeStrictly(object []byte) (p *v1alpha1.SharedMemoryPolicy, unknown []string, err error) {
	p = &v1alpha1.SharedMemoryPolicy{}
	strictErrs, err := kjson.UnmarshalStrict(object, p)
	for _, strictErr := range strictErrs {
		text := strings.TrimPrefix(strictErr.Error(), `unknown field "`)
		unknown = append(unknown, strings.TrimSuffix(text, `"`))
	}
	slices.Sort(unknown)
	return p, unknown, err
}

func TestAPIServerAndCompile_InvalidPolicies(t *testing.T) {
	server := newCreator(t)
	eachCase(t, "invalid", func(t *testing.T, c testCase) {
		if len(c.server())+len(c.compiler())+len(c.Unknown) == 0 {
			t.Fatal("the case wants nothing: say what is wrong, or move it to the valid ones")
		}
		object := c.object(t)
		got := server.create(t, object)
		if diff := cmp.Diff(c.server(), linesOf(withoutSkipped(got.errs), c.server())); diff != "" {
			t.Errorf("the API server (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(c.Unknown, got.unknown); diff != "" {
			t.Errorf("unknown to the API server (-want +got):\n%s", diff)
		}

		p, unknown, err := decodeStrictly(object)
		if err != nil || c.Undecodable != "" {
			if err == nil || err.Error() != c.Undecodable {
				t.Errorf("decoding: got error %v, want %s", err, c.Undecodable)
			}
			return
		}
		if diff := cmp.Diff(c.Unknown, unknown); diff != "" {
			t.Errorf("unknown to the Go type (-want +got):\n%s", diff)
		}
		compiled, errs := policy.Compile(p)
		if diff := cmp.Diff(c.compiler(), linesOf(errs, c.compiler())); diff != "" {
			t.Errorf("Compile (-want +got):\n%s", diff)
		}
		if len(errs) > 0 && compiled != (policy.Policy{}) {
			t.Error("Compile returns errors and a policy")
		}
	})
}

func TestAPIServerAndCompile_ValidPolicies(t *testing.T) {
	server := newCreator(t)
	eachValid(t, func(t *testing.T, object []byte) {
		got := server.create(t, object)
		for _, err := range got.errs {
			t.Errorf("the API server: %v", err)
		}
		if got.unknown != nil {
			t.Errorf("unknown to the API server: %v", got.unknown)
		}
		p, unknown, err := decodeStrictly(object)
		if err != nil || unknown != nil {
			t.Fatalf("decoding: error %v, unknown fields %v", err, unknown)
		}
		if _, errs := policy.Compile(p); len(errs) > 0 {
			t.Errorf("Compile: %v", errs.ToAggregate())
		}
	})
}

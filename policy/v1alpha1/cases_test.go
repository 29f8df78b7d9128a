package v1alpha1_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/policycases"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const (
	cases   = "../testdata/policies"
	library = "../../manifests/policies"
)

// eachValid runs f for each valid policy: the cases, and those of the library.
func eachValid(t *testing.T, f func(t *testing.T, object []byte)) {
	t.Helper()
	policycases.Each(t, cases+"/valid", func(t *testing.T, c policycases.Case) { f(t, c.Object(t)) })
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
	policycases.Each(t, cases+"/invalid", func(t *testing.T, c policycases.Case) {
		if len(c.ByServer())+len(c.ByCompile())+len(c.Unknown) == 0 {
			t.Fatal("the case wants nothing: say what is wrong, or move it to the valid ones")
		}
		object := c.Object(t)
		got := server.create(t, object)
		if diff := cmp.Diff(c.ByServer(), linesOf(withoutSkipped(got.errs), c.ByServer())); diff != "" {
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
		if diff := cmp.Diff(c.ByCompile(), linesOf(errs, c.ByCompile())); diff != "" {
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

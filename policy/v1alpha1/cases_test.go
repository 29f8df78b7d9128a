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

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The cases are files under policy/testdata/policies. One under invalid opens with
// a comment line for each thing that is wrong with it:
//
//	# want: FIELD: MESSAGE           the API server and Compile both say MESSAGE
//	# want-type: FIELD: TYPE         both refuse the field, and the API server in words
//	                                 of its own (enum, maxLength, maxItems and so on)
//	# want-compiler: FIELD: MESSAGE  only Compile can find it
//	# want-server: FIELD: TYPE       only the API server can find it, since the Go type
//	                                 does not tell the value from an absent one
//	# want-unknown: FIELD            both refuse the field when they are strict
//	# want-undecodable: MESSAGE      what the Go type's decoder says, which then leaves
//	                                 nothing for Compile; want-server has the API
//	                                 server's part
//
// Every other comment is for the reader.
const (
	cases   = "../testdata/policies"
	library = "../../manifests/policies"
)

// wanted are the lines of one file, those of the API server and of Compile each
// sorted.
type wanted struct {
	server, compiler, unknown []string
	undecodable               string
}

func readWanted(t *testing.T, content []byte) wanted {
	t.Helper()
	var w wanted
	for line := range strings.Lines(string(content)) {
		directive, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch directive {
		case "# want", "# want-type":
			w.server, w.compiler = append(w.server, rest), append(w.compiler, rest)
		case "# want-server":
			w.server = append(w.server, rest)
		case "# want-compiler":
			w.compiler = append(w.compiler, rest)
		case "# want-unknown":
			w.unknown = append(w.unknown, rest)
		case "# want-undecodable":
			w.undecodable = rest
		default:
			if strings.HasPrefix(directive, "# want") {
				t.Fatalf("no such directive: %s", line)
			}
		}
	}
	slices.Sort(w.server)
	slices.Sort(w.compiler)
	return w
}

func (w wanted) nothing() bool {
	return len(w.server)+len(w.compiler)+len(w.unknown) == 0 && w.undecodable == ""
}

// told renders errors as the lines that are wanted: with the type where a line
// wants the type, and with the message everywhere else.
func told(errs field.ErrorList, want []string) []string {
	var lines []string
	for _, err := range errs {
		line := err.Field + ": " + err.Detail
		if byType := err.Field + ": " + string(err.Type); !slices.Contains(want, line) && slices.Contains(want, byType) {
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
	const skipped = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
	return slices.DeleteFunc(slices.Clone(errs), func(err *field.Error) bool { return err.Detail == skipped })
}

// decodeStrictly decodes as the command line does. unknown are the fields that the
// Go type does not have.
func decodeStrictly(t *testing.T, manifest []byte) (p *v1alpha1.SharedMemoryPolicy, unknown []string, err error) {
	t.Helper()
	content, err := yaml.YAMLToJSONStrict(manifest)
	if err != nil {
		t.Fatal(err)
	}
	p = &v1alpha1.SharedMemoryPolicy{}
	strictErrs, err := kjson.UnmarshalStrict(content, p)
	for _, strictErr := range strictErrs {
		unknown = append(unknown, strings.TrimSuffix(strings.TrimPrefix(strictErr.Error(), `unknown field "`), `"`))
	}
	return p, unknown, err
}

func eachFile(t *testing.T, pattern string, f func(t *testing.T, manifest []byte)) {
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

func TestAnInvalidPolicyIsRefusedByTheAPIServerAndByCompileAlike(t *testing.T) {
	server := newCreator(t)
	eachFile(t, cases+"/invalid/*.yaml", func(t *testing.T, manifest []byte) {
		want := readWanted(t, manifest)
		if want.nothing() {
			t.Fatal("the file wants nothing")
		}
		got := server.create(t, manifest)
		if diff := cmp.Diff(want.server, told(withoutSkipped(got.errs), want.server)); diff != "" {
			t.Errorf("the API server (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want.unknown, got.unknown); diff != "" {
			t.Errorf("unknown to the API server (-want +got):\n%s", diff)
		}

		p, unknown, err := decodeStrictly(t, manifest)
		if err != nil || want.undecodable != "" {
			if err == nil || err.Error() != want.undecodable {
				t.Errorf("decoding: got error %v, want %s", err, want.undecodable)
			}
			return
		}
		if diff := cmp.Diff(want.unknown, unknown); diff != "" {
			t.Errorf("unknown to the Go type (-want +got):\n%s", diff)
		}
		compiled, errs := policy.Compile(p)
		if diff := cmp.Diff(want.compiler, told(errs, want.compiler)); diff != "" {
			t.Errorf("Compile (-want +got):\n%s", diff)
		}
		if len(errs) > 0 && compiled != (policy.Policy{}) {
			t.Error("Compile returns errors and a policy")
		}
	})
}

func TestAValidPolicyIsAcceptedByTheAPIServerAndByCompile(t *testing.T) {
	server := newCreator(t)
	for _, pattern := range []string{cases + "/valid/*.yaml", library + "/*.yaml"} {
		eachFile(t, pattern, func(t *testing.T, manifest []byte) {
			got := server.create(t, manifest)
			for _, err := range got.errs {
				t.Errorf("the API server: %v", err)
			}
			if got.unknown != nil {
				t.Errorf("unknown to the API server: %v", got.unknown)
			}
			p, unknown, err := decodeStrictly(t, manifest)
			if err != nil || unknown != nil {
				t.Fatalf("decoding: error %v, unknown fields %v", err, unknown)
			}
			if _, errs := policy.Compile(p); len(errs) > 0 {
				t.Errorf("Compile: %v", errs.ToAggregate())
			}
		})
	}
}

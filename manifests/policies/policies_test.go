package policies

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func decode(t *testing.T, f File) v1alpha1.SharedMemoryPolicy {
	t.Helper()
	var p v1alpha1.SharedMemoryPolicy
	if err := yaml.UnmarshalStrict(f.YAML, &p); err != nil {
		t.Fatalf("%s is not a SharedMemoryPolicy: %v", f.Name, err)
	}
	return p
}

func TestEveryFileIsThePolicyThatItIsNamedAfter(t *testing.T) {
	for _, f := range All() {
		t.Run(f.Name, func(t *testing.T) {
			p := decode(t, f)
			if want := "shmkeeper.dev/v1alpha1 SharedMemoryPolicy " + f.Name; p.APIVersion+" "+p.Kind+" "+p.Name != want {
				t.Errorf("got %s %s %s, want %s", p.APIVersion, p.Kind, p.Name, want)
			}
			for _, name := range []string{v1alpha1.AnnotationDescription, v1alpha1.AnnotationSource} {
				if value := p.Annotations[name]; value == "" || strings.Contains(value, "\n") {
					t.Errorf("annotation %s is %q, want one line", name, value)
				}
			}
			if !strings.Contains(p.Annotations[v1alpha1.AnnotationSource], "https://") {
				t.Errorf("annotation %s names no URL", v1alpha1.AnnotationSource)
			}
		})
	}
}

func TestEveryFileOpensWithACommentThatNamesItsSource(t *testing.T) {
	for _, f := range All() {
		comment, _, _ := strings.Cut(string(f.YAML), "\napiVersion: ")
		if !strings.HasPrefix(comment, "# ") {
			t.Errorf("%s does not open with a comment", f.Name)
		}
		for line := range strings.Lines(comment) {
			if !strings.HasPrefix(line, "#") {
				t.Errorf("%s: %q stands before apiVersion and is no comment", f.Name, line)
			}
		}
		if _, source, _ := strings.Cut(comment, "\n# Source: "); !strings.Contains(source, "https://") {
			t.Errorf("%s: the opening comment has no line \"Source:\" with a URL", f.Name)
		}
		for _, part := range []string{"# In /dev/shm: ", "# Recognised by: ", "# Recommendation: ", "# When to change the numbers:"} {
			if !strings.Contains(comment, "\n"+part) {
				t.Errorf("%s: the opening comment has no line %q", f.Name, part)
			}
		}
	}
}

func TestTheKustomizationListsEveryPolicyAndNothingElse(t *testing.T) {
	content, err := files.ReadFile(kustomization)
	if err != nil {
		t.Fatal(err)
	}
	var k struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}
	if err := yaml.UnmarshalStrict(content, &k); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range All() {
		want = append(want, f.Name+extension)
	}
	slices.Sort(k.Resources)
	slices.Sort(want)
	if diff := cmp.Diff(want, k.Resources); diff != "" {
		t.Errorf("resources of %s (-want +got):\n%s", kustomization, diff)
	}
}

func TestTheMoreSpecificPolicyGoverns(t *testing.T) {
	priority := map[string]int32{}
	lowest := int32(math.MaxInt32)
	for _, f := range All() {
		priority[f.Name] = decode(t, f).Spec.Priority
		if f.Name != "gunicorn" {
			lowest = min(lowest, priority[f.Name])
		}
	}
	if priority["authentik-proxy-outposts"] <= priority["authentik-proxy-outposts-by-image"] {
		t.Error("the outposts' image comes before their label")
	}
	if g := priority["gunicorn"]; g >= lowest || g >= 0 {
		t.Errorf("gunicorn has priority %d, want less than any other policy (%d) and than the default (0)", g, lowest)
	}
}

func TestAllReturnsASortedListOfCopies(t *testing.T) {
	first := All()
	if !slices.IsSortedFunc(first, func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted by name")
	}
	untouched := bytes.Clone(first[0].YAML)
	first[0].YAML[0] = '!'
	if got := All()[0].YAML; !bytes.Equal(got, untouched) {
		t.Error("what a caller writes into one list shows in the next")
	}
}

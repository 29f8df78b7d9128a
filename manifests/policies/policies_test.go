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

func TestFiles_NamedAfterTheirPolicy(t *testing.T) {
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

func TestFiles_CommentNamesTheSource(t *testing.T) {
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

func TestKustomization_ListsEachPolicy(t *testing.T) {
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

// The check of everything that is mounted gives way to every policy with a size, and to a
// policy without a priority, and no policy of the library goes by a hint alone.
func TestHygiene_GivesWayToEveryOtherPolicy(t *testing.T) {
	priority := map[string]int32{}
	lowest := int32(math.MaxInt32)
	for _, f := range All() {
		p := decode(t, f)
		priority[f.Name] = p.Spec.Priority
		if f.Name != "hygiene" {
			lowest = min(lowest, priority[f.Name])
			if p.Spec.Sizing == nil {
				t.Errorf("%s has no sizing: only hygiene checks without a size", f.Name)
			}
		}
		for i, m := range p.Spec.Match {
			if m.TmpfsPaths != "" {
				t.Errorf("%s: match[%d] looks for paths, which is a guess", f.Name, i)
			}
		}
	}
	h, found := priority["hygiene"]
	if !found || h >= lowest || h >= 0 {
		t.Errorf("hygiene has priority %d (found: %t), want less than any other policy (%d) and than the default (0)",
			h, found, lowest)
	}
}

// The fields that differ from the defaults do so for a reason that the file gives; this
// keeps them from being copied into a new policy unseen.
func TestAll_ExistingVolumesAndOverrides(t *testing.T) {
	setLimit := []string{
		"authentik-proxy-outposts", "postgresql-cloudnativepg", "postgresql-crunchy", "postgresql-spilo",
	}
	for _, f := range All() {
		p := decode(t, f)
		want := v1alpha1.ExistingHandling("") // Enlarge, the default
		if slices.Contains(setLimit, f.Name) {
			want = v1alpha1.ExistingSetLimit
		}
		if p.Spec.Existing != want {
			t.Errorf("%s: existing is %q, want %q", f.Name, p.Spec.Existing, want)
		}
		comment, _, _ := strings.Cut(string(f.YAML), "\napiVersion: ")
		for text, differs := range map[string]bool{
			"existing is":    p.Spec.Existing != "",
			"Allowed":        p.Spec.Overrides != "",
			"memory is":      p.Spec.Memory.Handling != "",
			"memory.reserve": p.Spec.Memory.Reserve != nil,
			"hostShm is":     p.Spec.HostShm != "",
		} {
			if differs && !strings.Contains(comment, text) {
				t.Errorf("%s: the opening comment does not say why (%q)", f.Name, text)
			}
		}
		if s := p.Spec.Sizing; s != nil && s.Fixed != nil && s.Max != nil && s.Fixed.Size.Cmp(*s.Max) > 0 {
			t.Errorf("%s: fixed.size is above max", f.Name)
		}
	}
}

func TestAll_SortedCopies(t *testing.T) {
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

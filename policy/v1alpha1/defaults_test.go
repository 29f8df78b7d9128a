package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

var sameQuantity = cmp.Comparer(func(a, b resource.Quantity) bool {
	return a.Cmp(b) == 0 && a.String() == b.String()
})

// sizing.min is the one default that the CRD cannot express; TestSetDefaults_Min has it.
func TestSetDefaults_AgreesWithTheAPIServer(t *testing.T) {
	server := newCreator(t)
	eachValid(t, func(t *testing.T, object []byte) {
		var want v1alpha1.SharedMemoryPolicy
		content := server.create(t, object).object.Object
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &want); err != nil {
			t.Fatal(err)
		}
		want.Generation = 0 // the API server counts from 1

		got, _, err := decodeStrictly(object)
		if err != nil {
			t.Fatal(err)
		}
		withoutMin := got.Spec.Sizing != nil && got.Spec.Sizing.Min == nil
		v1alpha1.SetDefaults(got)
		again := got.DeepCopy()
		v1alpha1.SetDefaults(again)
		if diff := cmp.Diff(got, again, sameQuantity); diff != "" {
			t.Errorf("a second time (-first +second):\n%s", diff)
		}
		if withoutMin {
			got.Spec.Sizing.Min = nil
		}
		if diff := cmp.Diff(&want, got, sameQuantity); diff != "" {
			t.Errorf("-API server +SetDefaults:\n%s", diff)
		}
	})
}

func TestSetDefaults_Min(t *testing.T) {
	for name, c := range map[string]struct{ min, max, want string }{
		"neither is given":                  {"", "", "64Mi"},
		"max is smaller than 64Mi":          {"", "32Mi", "32Mi"},
		"max is 64Mi":                       {"", "64Mi", "64Mi"},
		"max is 64Mi, in bytes":             {"", "67108864", "64Mi"},
		"max is larger than 64Mi":           {"", "65Mi", "64Mi"},
		"min is given, and max is smaller":  {"48Mi", "32Mi", "48Mi"},
		"min is given, and max is not":      {"16Mi", "", "16Mi"},
		"min is given, and max is the same": {"1Gi", "1Gi", "1Gi"},
	} {
		t.Run(name, func(t *testing.T) {
			quantity := func(text string) *resource.Quantity {
				if text == "" {
					return nil
				}
				q := resource.MustParse(text)
				return &q
			}
			sizing := &v1alpha1.Sizing{Min: quantity(c.min), Max: quantity(c.max)}
			p := &v1alpha1.SharedMemoryPolicy{Spec: v1alpha1.SharedMemoryPolicySpec{Sizing: sizing}}
			v1alpha1.SetDefaults(p)
			if got := sizing.Min.String(); got != c.want {
				t.Errorf("got min %s, want %s", got, c.want)
			}
		})
	}
}

func TestSetDefaults_MinDoesNotShareItsValueWithMax(t *testing.T) {
	most := resource.MustParse("32Mi")
	sizing := &v1alpha1.Sizing{Max: &most}
	p := &v1alpha1.SharedMemoryPolicy{Spec: v1alpha1.SharedMemoryPolicySpec{Sizing: sizing}}
	v1alpha1.SetDefaults(p)
	sizing.Min.Add(resource.MustParse("1Mi"))
	if got := sizing.Max.String(); got != "32Mi" {
		t.Errorf("max has become %s, want 32Mi", got)
	}
}

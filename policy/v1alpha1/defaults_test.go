package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestSetDefaultsFillsInWhatTheAPIServerDoes(t *testing.T) {
	server := newCreator(t)
	sameQuantity := cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 && a.String() == b.String() })
	for _, pattern := range []string{cases + "/valid/*.yaml", library + "/*.yaml"} {
		eachFile(t, pattern, func(t *testing.T, manifest []byte) {
			var want v1alpha1.SharedMemoryPolicy
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(server.create(t, manifest).object.Object, &want); err != nil {
				t.Fatal(err)
			}
			want.Generation = 0 // the API server counts from 1

			got, _, err := decodeStrictly(t, manifest)
			if err != nil {
				t.Fatal(err)
			}
			v1alpha1.SetDefaults(got)
			if diff := cmp.Diff(&want, got, sameQuantity); diff != "" {
				t.Errorf("-API server +SetDefaults:\n%s", diff)
			}
			again := got.DeepCopy()
			v1alpha1.SetDefaults(again)
			if diff := cmp.Diff(got, again, sameQuantity); diff != "" {
				t.Errorf("a second time (-first +second):\n%s", diff)
			}
		})
	}
}

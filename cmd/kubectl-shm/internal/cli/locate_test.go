package cli

import (
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
)

func TestLineOf(t *testing.T) {
	docs, err := manifest.Read(strings.NewReader(`# a comment
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  spec:
    containers: [{name: a}, {name: b}]
    volumes:
    - name: x
    - {
      name: y
      }
`), "f")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := docs[0].Objects()
	if err != nil || len(objects) != 1 {
		t.Fatalf("%v, %d objects", err, len(objects))
	}
	for path, want := range map[string]int{
		"kind":                       6,
		"spec.volumes[0].name":       10,
		"spec.volumes[1].name":       12,
		"spec.volumes[1].emptyDir.x": 9, // the nearest around it that begins on a line of its own
		"spec.volumes[7].name":       9,
		"spec.containers[1].name":    8,
		"nowhere":                    docs[0].Line,
		"":                           docs[0].Line,
	} {
		if got := LineOf(objects[0], path); got != want {
			t.Errorf("%q: got line %d, want %d", path, got, want)
		}
	}
}

// Package policycases reads the tables below policy/testdata/policies: valid and invalid policies
// for tests of the API server's code, of a real API server and of policy.Compile.
package policycases

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Case is one policy, and what the API server and Compile say about it. A line that is wanted is
// "FIELD: MESSAGE" or "FIELD: TYPE", the latter if the API server has words of its own (enum,
// maxLength, maxItems and so on).
type Case struct {
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

// Object returns the policy of the case as JSON.
func (c Case) Object(t *testing.T) []byte {
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

// ByServer returns what the API server says, sorted.
func (c Case) ByServer() []string {
	return slices.Sorted(slices.Values(slices.Concat(c.Want, c.Server)))
}

// ByCompile returns what Compile says, sorted.
func (c Case) ByCompile() []string {
	return slices.Sorted(slices.Values(slices.Concat(c.Want, c.Compiler)))
}

// Each runs f for each case in the tables of a folder, in a test of its own.
func Each(t *testing.T, folder string, f func(*testing.T, Case)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no table, error %v", folder, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var table map[string]Case
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
}

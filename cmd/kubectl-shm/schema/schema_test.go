package schema

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the schema again")

const file = "sharedmemorypolicy.schema.json"

// The schema is that of the CRD.
func TestSchema_IsOfTheCRD(t *testing.T) {
	content, err := os.ReadFile("../../../manifests/crd/shmkeeper.dev_sharedmemorypolicies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := schemaOf(t, content)
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s is not that of the CRD (-want +got); write it again: make golden\n%s", file, diff)
	}
}

// schemaOf returns the JSON schema of a CRD's first version.
func schemaOf(t *testing.T, content []byte) []byte {
	t.Helper()
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(content, &crd); err != nil {
		t.Fatal(err)
	}
	version := crd.Spec.Versions[0]
	root := converted(version.Schema.OpenAPIV3Schema)
	properties, ok := root["properties"].(map[string]any)
	if !ok {
		t.Fatal("the CRD has no properties")
	}
	properties["apiVersion"] = map[string]any{"const": crd.Spec.Group + "/" + version.Name}
	properties["kind"] = map[string]any{"const": crd.Spec.Names.Kind}
	properties["metadata"] = map[string]any{"type": "object", "required": []string{"name"}}
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = crd.Spec.Names.Kind
	root["required"] = []string{"apiVersion", "kind", "metadata", "spec"}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// converted returns a schema of OpenAPI as one of JSON Schema: without Kubernetes' extensions, and closed where it
// names the fields.
func converted(in map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range in {
		if strings.HasPrefix(key, "x-kubernetes-") {
			continue
		}
		switch v := value.(type) {
		case map[string]any:
			if key == "properties" {
				fields := map[string]any{}
				for name, field := range v {
					if schema, ok := field.(map[string]any); ok {
						fields[name] = converted(schema)
					}
				}
				out[key] = fields
				continue
			}
			out[key] = converted(v)
		case []any:
			list := make([]any, len(v))
			for i, item := range v {
				list[i] = item
				if schema, ok := item.(map[string]any); ok {
					list[i] = converted(schema)
				}
			}
			out[key] = list
		default:
			out[key] = value
		}
	}
	if _, named := out["properties"]; named && in["x-kubernetes-preserve-unknown-fields"] != true {
		out["additionalProperties"] = false
	}
	return out
}

package commandline_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"sigs.k8s.io/yaml"
)

// What is exported for Terraform parses by Terraform's own parser, and gives the outpost the patches
// that are exported for authentik.
func TestExport_TerraformSaysWhatAuthentikGets(t *testing.T) {
	export := func(format string) []byte {
		out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "kubectl-shm"), "export", "authentik-proxy-outposts", "-o", format).Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	file, diagnostics := hclparse.NewParser().ParseHCL(export("terraform"), "outpost.tf")
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		t.Fatalf("the body is a %T", file.Body)
	}
	variables := map[string]cty.Value{}
	var resource *hclsyntax.Block
	for _, block := range body.Blocks {
		switch block.Type {
		case "variable":
			variables[block.Labels[0]] = cty.StringVal("a value of " + block.Labels[0])
		case "resource":
			resource = block
		}
	}
	if resource == nil || !reflect.DeepEqual(resource.Labels, []string{"authentik_outpost", "proxy"}) {
		t.Fatalf("the resource is %+v", resource)
	}
	value, diagnostics := resource.Body.Attributes["config"].Expr.Value(&hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(variables)},
		Functions: map[string]function.Function{"jsonencode": stdlib.JSONEncodeFunc},
	})
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	for _, name := range []string{"name", "type", "protocol_providers", "service_connection"} {
		if _, found := resource.Body.Attributes[name]; !found {
			t.Errorf("%s is missing", name)
		}
	}
	var got, want map[string]any
	if err := json.Unmarshal([]byte(value.AsString()), &got); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(export("authentik"), &want); err != nil {
		t.Fatal(err)
	}
	want["authentik_host"] = "a value of authentik_host"
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Terraform gives %v, authentik gets %v", got, want)
	}
}

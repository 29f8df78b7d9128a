package manifests_test

import (
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

// Each rule of the CRD is one that the API server of each version accepts.
func TestCRD_RulesCompile(t *testing.T) {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(read(t, "crd/shmkeeper.dev_sharedmemorypolicies.yaml"), &crd); err != nil {
		t.Fatal(err)
	}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		t.Fatal(err)
	}
	root, err := schema.NewStructural(&internal)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range versions() {
		rules := 0
		var visit func(path string, s *schema.Structural, isRoot bool)
		visit = func(path string, s *schema.Structural, isRoot bool) {
			if declared := model.SchemaDeclType(s, isRoot); declared != nil && len(s.XValidations) > 0 {
				results, err := cel.Compile(s, declared, celconfig.PerCallLimit, environment.MustBaseEnvSet(v), cel.NewExpressionsEnvLoader())
				if err != nil {
					t.Errorf("%s: %s: %v", name, path, err)
				}
				for i, r := range results {
					rules++
					if r.Error != nil {
						t.Errorf("%s: %s: %q: %v", name, path, s.XValidations[i].Rule, r.Error)
					}
				}
			}
			for field := range s.Properties {
				property := s.Properties[field]
				visit(path+"."+field, &property, false)
			}
			if s.Items != nil {
				visit(path+"[]", s.Items, false)
			}
			if s.AdditionalProperties != nil && s.AdditionalProperties.Structural != nil {
				visit(path+"{}", s.AdditionalProperties.Structural, false)
			}
		}
		visit("", root, true)
		if rules < 20 {
			t.Errorf("%s: only %d rules were found: fix this test", name, rules)
		}
	}
}

package v1alpha1_test

import (
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
)

// The estimated cost of the CEL rules is part of what is validated.
func TestCRD_IsValid(t *testing.T) {
	crd := loadCRD(t)
	// As strategy.PrepareForCreate in pkg/registry/customresourcedefinition.
	crd.Status = apiextensions.CustomResourceDefinitionStatus{StoredVersions: []string{crd.Spec.Versions[0].Name}}
	for _, err := range crdvalidation.ValidateCustomResourceDefinition(t.Context(), crd) {
		t.Error(err)
	}
}

func TestCRD_SchemaIsStructural(t *testing.T) {
	for _, err := range structuralschema.ValidateStructural(nil, structural(t, openAPI(t, loadCRD(t)))) {
		t.Error(err)
	}
}

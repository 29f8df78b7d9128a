package v1alpha1_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// loadCRD reads the CustomResourceDefinition that ships, with the defaults of its
// own API.
func loadCRD(t *testing.T) *apiextensions.CustomResourceDefinition {
	t.Helper()
	paths, err := filepath.Glob("../../manifests/crd/shmkeeper.dev_*.yaml")
	if err != nil || len(paths) != 1 {
		t.Fatalf("got %v and error %v, want one CustomResourceDefinition", paths, err)
	}
	content, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	var external apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(content, &external); err != nil {
		t.Fatal(err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&external)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&external.Spec)
	var crd apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&external, &crd, nil); err != nil {
		t.Fatal(err)
	}
	return &crd
}

// openAPI returns the schema of the one version.
func openAPI(t *testing.T, crd *apiextensions.CustomResourceDefinition) *apiextensions.JSONSchemaProps {
	t.Helper()
	if len(crd.Spec.Versions) != 1 || crd.Spec.Versions[0].Name != v1alpha1.GroupVersion.Version {
		t.Fatalf("got versions %v, want %s alone", crd.Spec.Versions, v1alpha1.GroupVersion.Version)
	}
	// The conversion moves the schema up if all versions have the same.
	if crd.Spec.Validation != nil {
		return crd.Spec.Validation.OpenAPIV3Schema
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

func structural(t *testing.T, props *apiextensions.JSONSchemaProps) *structuralschema.Structural {
	t.Helper()
	s, err := structuralschema.NewStructural(props)
	if err != nil {
		t.Fatal(err)
	}
	s = s.DeepCopy()
	if err := defaulting.PruneDefaults(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// creator does with a SharedMemoryPolicy what an API server does on its creation,
// with the API server's own code: the steps of
// k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go, without
// HTTP, admission and storage.
type creator struct {
	schema   *structuralschema.Structural
	strategy interface {
		PrepareForCreate(context.Context, runtime.Object)
		Validate(context.Context, runtime.Object) field.ErrorList
	}
}

func newCreator(t *testing.T) *creator {
	t.Helper()
	crd := loadCRD(t)
	props := openAPI(t, crd)
	validator, _, err := schemavalidation.NewSchemaValidator(props)
	if err != nil {
		t.Fatal(err)
	}
	status := props.Properties["status"]
	statusValidator, _, err := schemavalidation.NewSchemaValidator(&status)
	if err != nil {
		t.Fatal(err)
	}
	s := structural(t, props)
	return &creator{
		schema: s,
		strategy: customresource.NewStrategy(
			runtime.NewScheme(), crd.Spec.Scope == apiextensions.NamespaceScoped,
			schema.GroupVersionKind{Group: crd.Spec.Group, Version: v1alpha1.GroupVersion.Version, Kind: crd.Spec.Names.Kind},
			validator, statusValidator, s, &apiextensions.CustomResourceSubresourceStatus{}, nil, nil,
		),
	}
}

// created is the result of a creation.
type created struct {
	object *unstructured.Unstructured
	// unknown are the paths of fields that the schema does not have. They are
	// errors under fieldValidation=Strict, as kubectl sets it.
	unknown []string
	errs    field.ErrorList
}

// create takes the policy as JSON.
func (c *creator) create(t *testing.T, object []byte) created {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(object); err != nil {
		t.Fatal(err)
	}
	defaulting.Default(u.Object, c.schema)
	unknown := pruning.PruneWithOptions(u.Object, c.schema, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	slices.Sort(unknown)
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, c.schema)
	if err := objectmeta.Coerce(nil, u.Object, c.schema, false, false); err != nil {
		t.Fatal(err)
	}
	c.strategy.PrepareForCreate(t.Context(), u)
	return created{object: u, unknown: unknown, errs: c.strategy.Validate(t.Context(), u)}
}

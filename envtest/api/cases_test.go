package api

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// testCase has what the API server needs of the cases in policy/testdata/policies, which the
// tests of policy/v1alpha1 describe and run against its code and Compile.
type testCase struct {
	Metadata    json.RawMessage            `json:"metadata"`
	Spec        map[string]json.RawMessage `json:"spec"`
	Without     []string                   `json:"without"`
	Want        []string                   `json:"want"`
	Server      []string                   `json:"server"`
	Unknown     []string                   `json:"unknown"`
	Compiler    []string                   `json:"compiler"`
	Undecodable string                     `json:"undecodable"`
}

func (c testCase) object(t *testing.T) *unstructured.Unstructured {
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
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return u
}

func eachCase(t *testing.T, folder string, f func(*testing.T, testCase)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("../../policy/testdata/policies", folder, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no case, error %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var table map[string]testCase
			if err := yaml.UnmarshalStrict(content, &table); err != nil {
				t.Fatal(err)
			}
			for _, sentence := range slices.Sorted(maps.Keys(table)) {
				t.Run(sentence, func(t *testing.T) { f(t, table[sentence]) })
			}
		})
	}
}

// dryRun creates an object as kubectl does, and keeps nothing.
func dryRun(t *testing.T, u *unstructured.Unstructured) error {
	t.Helper()
	return kubeClient.Create(t.Context(), u, client.DryRunAll,
		client.FieldValidation(metav1.FieldValidationStrict))
}

func TestCreate_ValidPolicies(t *testing.T) {
	eachCase(t, "valid", func(t *testing.T, c testCase) {
		if err := dryRun(t, c.object(t)); err != nil {
			t.Error(err)
		}
	})
}

func TestCreate_InvalidPolicies(t *testing.T) {
	eachCase(t, "invalid", func(t *testing.T, c testCase) {
		err := dryRun(t, c.object(t))
		want := slices.Concat(c.Want, c.Server)
		if len(want)+len(c.Unknown) == 0 {
			if err != nil {
				t.Errorf("got %v: only Compile finds what is wrong", err)
			}
			return
		}
		var status apierrors.APIStatus
		if !errors.As(err, &status) || !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
			t.Fatalf("got %v, want that the policy is rejected", err)
		}
		if apierrors.IsBadRequest(err) {
			return // of a field that is unknown, or has another type
		}
		for _, line := range want {
			if !slices.ContainsFunc(status.Status().Details.Causes, says(line)) {
				t.Errorf("%s: got %v", line, err)
			}
		}
	})
}

// says returns whether a cause is the one of a line "FIELD: MESSAGE" or "FIELD: TYPE".
func says(line string) func(metav1.StatusCause) bool {
	return func(cause metav1.StatusCause) bool {
		field, message, _ := strings.Cut(line, ": ")
		return cause.Field == field &&
			(string(cause.Type) == message || strings.HasSuffix(cause.Message, message))
	}
}

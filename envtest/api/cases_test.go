package api

import (
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/policycases"
)

const cases = "../../policy/testdata/policies"

// dryRun creates the policy of a case as kubectl does, and keeps nothing.
func dryRun(t *testing.T, c policycases.Case) error {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(c.Object(t)); err != nil {
		t.Fatal(err)
	}
	return kubeClient.Create(t.Context(), u, client.DryRunAll,
		client.FieldValidation(metav1.FieldValidationStrict))
}

func TestCreate_ValidPolicies(t *testing.T) {
	policycases.Each(t, cases+"/valid", func(t *testing.T, c policycases.Case) {
		if err := dryRun(t, c); err != nil {
			t.Error(err)
		}
	})
}

func TestCreate_InvalidPolicies(t *testing.T) {
	policycases.Each(t, cases+"/invalid", func(t *testing.T, c policycases.Case) {
		err := dryRun(t, c)
		want := c.ByServer()
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
			if minor < newest && strings.HasPrefix(line, "<nil>: ") {
				continue // a line about the type, beside one of a rule about the field
			}
			if !slices.ContainsFunc(status.Status().Details.Causes, says(line)) {
				t.Errorf("%s: got %v", line, err)
			}
		}
	})
}

// says reports whether a cause is the one of a line "FIELD: MESSAGE" or "FIELD: TYPE".
func says(line string) func(metav1.StatusCause) bool {
	return func(cause metav1.StatusCause) bool {
		field, message, _ := strings.Cut(line, ": ")
		return cause.Field == field &&
			(string(cause.Type) == message || strings.HasSuffix(cause.Message, message))
	}
}

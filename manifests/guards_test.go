package manifests_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/authentication/user"
)

// sees reports whether a guard looks at a request, by the API server's own code. The request is an operation and a
// resource of the group version, such as "UPDATE namespaces/status".
func sees(t *testing.T, guard *admissionregistrationv1.ValidatingAdmissionPolicy, gv schema.GroupVersion, request string) bool {
	t.Helper()
	guard = guard.DeepCopy()
	constraints := guard.Spec.MatchConstraints
	for _, selector := range []**metav1.LabelSelector{&constraints.NamespaceSelector, &constraints.ObjectSelector} {
		if *selector == nil {
			*selector = &metav1.LabelSelector{} // the API server's default
		}
	}
	operation, path, _ := strings.Cut(request, " ")
	resource, subresource, _ := strings.Cut(path, "/")
	attributes := admission.NewAttributesRecord(nil, nil, schema.GroupVersionKind{}, "", "any", gv.WithResource(resource), subresource,
		admission.Operation(operation), nil, false, &user.DefaultInfo{})
	found, _, _, err := generic.NewPolicyMatcher(matching.NewMatcher(nil, nil)).DefinitionMatches(
		attributes, admission.NewObjectInterfacesFromScheme(runtime.NewScheme()), validating.NewValidatingAdmissionPolicyAccessor(guard))
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	return found
}

// A guard sees each write by which its rules could be broken. It denies what breaks them, and a write that it fails to evaluate.
func TestGuards_SeeEachWriteAndFailClosed(t *testing.T) {
	for file, c := range map[string]struct {
		gv           schema.GroupVersion
		seen, unseen []string
	}{
		"webhook-guard/configurations.yaml": {
			admissionregistrationv1.SchemeGroupVersion,
			[]string{
				"CREATE mutatingwebhookconfigurations", "UPDATE mutatingwebhookconfigurations",
				"CREATE validatingwebhookconfigurations", "UPDATE validatingwebhookconfigurations",
			},
			[]string{"DELETE mutatingwebhookconfigurations", "DELETE validatingwebhookconfigurations", "UPDATE validatingadmissionpolicies"},
		},
		"mode-guard/mode-label.yaml": {
			corev1.SchemeGroupVersion,
			[]string{"CREATE namespaces", "UPDATE namespaces", "UPDATE namespaces/status", "UPDATE namespaces/finalize"},
			[]string{"DELETE namespaces", "CREATE pods", "UPDATE pods"},
		},
	} {
		t.Run(file, func(t *testing.T) {
			guard := object[admissionregistrationv1.ValidatingAdmissionPolicy](t, file)
			for want, requests := range map[bool][]string{true: c.seen, false: c.unseen} {
				for _, request := range requests {
					if got := sees(t, &guard, c.gv, request); got != want {
						t.Errorf("the guard sees %s: %t, want %t", request, got, want)
					}
				}
			}
			fail := admissionregistrationv1.Fail
			if diff := cmp.Diff(&fail, guard.Spec.FailurePolicy); diff != "" {
				t.Errorf("failurePolicy (-want +got):\n%s", diff)
			}
			binding := object[admissionregistrationv1.ValidatingAdmissionPolicyBinding](t, file)
			want := admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: guard.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
			}
			if diff := cmp.Diff(want, binding.Spec); diff != "" {
				t.Errorf("the binding (-want +got):\n%s", diff)
			}
		})
	}
}

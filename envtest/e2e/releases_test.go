package e2e

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The minor versions of Kubernetes that brought what some tests are about. On an older API server these tests check that it
// lacks it, and what it does instead.
const (
	podLevelResources = 32
	valuesInRules     = 35
	volumeResize      = 37
)

// knowsPodLevelResources reports whether the API server knows spec.resources of a Pod, or need not because the Pod does not have it.
// One that does not know it rejects it when it is asked to be strict.
func (s *suite) knowsPodLevelResources(t *testing.T, namespace string, pod *corev1.Pod) bool {
	t.Helper()
	if s.minor >= podLevelResources || pod.Spec.Resources == nil {
		return true
	}
	object := *pod
	object.APIVersion, object.Kind = "v1", "Pod"
	body, err := json.Marshal(object) // in protobuf unknown fields have no name
	if err != nil {
		t.Fatal(err)
	}
	err = s.kube.CoreV1().RESTClient().Post().Namespace(namespace).Resource("pods").
		VersionedParams(&metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}, metav1.ParameterCodec).
		SetHeader("Content-Type", "application/json").Body(body).Do(t.Context()).Error()
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), `unknown field "spec.resources"`) {
		t.Errorf("Kubernetes 1.%d says of pod-level resources: %v, want that it does not know them", s.minor, err)
	}
	return false
}

// dropsPodLevelResources checks that webPolicy fixes a Pod by what its containers have if the API server drops its
// pod-level resources.
func (a *apiClient) dropsPodLevelResources(t *testing.T, namespace string, pod *corev1.Pod) {
	t.Helper()
	created := a.must(t, namespace, pod, response{Notes: mutated("web")})
	if created.Spec.Resources != nil {
		t.Errorf("the Pod was stored with the pod-level resources %v", created.Spec.Resources)
	}
	if err := sized(created, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}
}

// resizes reports whether the API server can resize a Memory emptyDir. One that cannot has no subresource for it, and makes
// none of the changes to the running Pod "web" by an ordinary update, so that no Pod leaves its policy that way.
func (s *suite) resizes(t *testing.T, namespace string, changes ...func(*corev1.Pod)) bool {
	t.Helper()
	if s.minor >= volumeResize {
		return true
	}
	pods := s.kube.CoreV1().Pods(namespace)
	for i, change := range changes {
		pod, err := pods.Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		change(pod)
		if _, err := pods.UpdateResize(t.Context(), "web", pod, metav1.UpdateOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("change %d: the subresource resize of Kubernetes 1.%d: %v, want that there is none", i, s.minor, err)
		}
		_, err = pods.Update(t.Context(), pod, metav1.UpdateOptions{})
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "pod updates may not change fields other than") {
			t.Errorf("change %d: an update of the Pod: %v, want it rejected", i, err)
		}
	}
	return false
}

// byRule returns a message about a rule of the CRD, without the value where an older API server has the value's type in its place.
func (s *suite) byRule(message string) string {
	if s.minor >= valuesInRules {
		return message
	}
	return valueOrType.ReplaceAllString(message, "Invalid value: ")
}

var valueOrType = regexp.MustCompile(`^Invalid value: "[^"]*": `)

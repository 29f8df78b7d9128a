package e2e

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestReinvocation_ContainerAddedLater(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	s.later(t, ns, func(pod *corev1.Pod) []patch {
		if len(pod.Spec.Containers) > 1 {
			return nil
		}
		return []patch{{"add", "/spec/containers/-", json.RawMessage(`{"name":"late","image":"late","resources":{"limits":{"memory":"64Mi"}}}`)}}
	})
	eventually(t, func() error {
		return twoContainers(a.create(t, ns, webPod("web"), metav1.DryRunAll))
	})
	got := a.create(t, ns, webPod("web"))
	if err := twoContainers(got); err != nil {
		t.Fatal(err)
	}
	// What was raised for the writer is not raised again. The other container was not there when
	// the volume was added, and keeps the runtime's /dev/shm and its own memory.
	if err := sized(got.pod, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}
	if err := sized(got.pod, "late", "nothing is mounted", "64Mi", "64Mi"); err != nil {
		t.Error(err)
	}
	if n := len(got.pod.Spec.Volumes); n != 1 {
		t.Errorf("the Pod has %d volumes", n)
	}
	if got := got.Notes["enforce.pods/outcome"]; got != "Compliant" {
		t.Errorf("the Pod that was admitted is %s", got)
	}
}

// A second evaluation finds nothing to do if another webhook changed nothing that matters.
func TestReinvocation_FixedPoint(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	for name, spec := range map[string]string{
		"a fixed size":     `{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 256Mi}}}`,
		"a part of memory": `{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {memoryPercent: {percent: 50}}}`,
		"many small files": `{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {files: {createdPerMinute: "18", retention: 24h, fileSize: 1500}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPolicy("web", spec)
			s.policies(t, p)
			ns := s.namespace(t, "enforce", nil)
			pod := webPod("web", func(p *corev1.Pod) {
				p.Spec.InitContainers = []corev1.Container{*p.Spec.Containers[0].DeepCopy()}
				p.Spec.InitContainers[0].Name = "init"
			})
			var once *corev1.Pod
			eventually(t, func() error {
				got := a.create(t, ns, pod, metav1.DryRunAll)
				if got.Notes["mutate.pods/outcome"] != "Mutated" {
					return fmt.Errorf("the Pod is not mutated: %s %v", got.Error, got.Notes)
				}
				once = got.pod
				return nil
			})
			called := make(chan struct{}, 1)
			s.later(t, ns, func(*corev1.Pod) []patch {
				select {
				case called <- struct{}{}:
				default:
				}
				return []patch{{"add", "/metadata/labels/seen", json.RawMessage(`"yes"`)}}
			})
			var twice *corev1.Pod
			eventually(t, func() error {
				twice = a.create(t, ns, pod, metav1.DryRunAll).pod
				select {
				case <-called:
					return nil
				default:
					return fmt.Errorf("the other webhook is not called")
				}
			})
			if twice.Labels["seen"] != "yes" {
				t.Fatalf("the other webhook changed nothing: %v", twice.Labels)
			}
			if diff := cmp.Diff(once.Spec, twice.Spec); diff != "" {
				t.Errorf("spec (-called once +called again):\n%s", diff)
			}
			// And the Pod as it was stored, created again: nothing is left to do.
			twice.ResourceVersion, twice.UID, twice.Name = "", "", "again"
			again := a.create(t, ns, twice, metav1.DryRunAll)
			if _, found := again.Notes["mutate.pods/outcome"]; found || again.Error != "" {
				t.Errorf("the mutated Pod is mutated again: %v %s", again.Notes, again.Error)
			}
		})
	}
}

func twoContainers(a response) error {
	if a.Error != "" || len(a.pod.Spec.Containers) != 2 {
		return fmt.Errorf("the other webhook did not add its container: %s %+v", a.Error, a.pod)
	}
	return nil
}

// What another webhook makes of the memory stays, as long as a full volume and the reserve fit in
// it: 257Mi and 32Mi. Nothing remembers what was added before.
func TestReinvocation_OverwrittenMemory(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	overwrite := func(kind, memory string) patch {
		return patch{"replace", "/spec/containers/0/resources/" + kind + "/memory", json.RawMessage(fmt.Sprintf("%q", memory))}
	}
	for name, c := range map[string]struct {
		changes        []patch
		limit, request string
	}{
		"limit":   {[]patch{overwrite("limits", "512Mi")}, "512Mi", bytesText(raisedRequest)},
		"both":    {[]patch{overwrite("limits", "512Mi"), overwrite("requests", "128Mi")}, "512Mi", "128Mi"},
		"too-low": {[]patch{overwrite("limits", "256Mi"), overwrite("requests", "128Mi")}, "289Mi", "128Mi"},
	} {
		t.Run(name, func(t *testing.T) {
			saw := make(chan string, 1)
			s.later(t, ns, func(pod *corev1.Pod) []patch {
				select {
				case saw <- pod.Spec.Containers[0].Resources.Limits.Memory().String():
				default:
				}
				return c.changes
			})
			eventually(t, func() error {
				select {
				case <-saw:
					return nil
				default:
					return fmt.Errorf("the other webhook is not called: %+v", a.create(t, ns, webPod(name), metav1.DryRunAll).Notes)
				}
			})
			got := a.create(t, ns, webPod(name))
			if got.Error != "" {
				t.Fatal(got.Error)
			}
			select {
			case before := <-saw:
				if before != bytesText(raisedLimit) {
					t.Errorf("the other webhook saw a limit of %s", before)
				}
			default:
				t.Error("the other webhook was not called")
			}
			if err := sized(got.pod, "web", "256Mi", c.limit, c.request); err != nil {
				t.Error(err)
			}
		})
	}
}

// patch is an operation of a JSON patch.
type patch struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// later registers a mutating webhook that comes after ours, for Pods that are
// created in a namespace, until the end of the test. It is called once for each.
func (s *suite) later(t *testing.T, namespace string, change func(*corev1.Pod) []patch) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		var pod corev1.Pod
		if json.NewDecoder(r.Body).Decode(&review) != nil || json.Unmarshal(review.Request.Object.Raw, &pod) != nil {
			http.Error(w, "this is not a review of a Pod", http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		if changes := change(&pod); len(changes) > 0 {
			text, err := json.Marshal(changes)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			kind := admissionv1.PatchTypeJSONPatch
			review.Response.Patch, review.Response.PatchType = text, &kind
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	fail, none, never := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.NeverReinvocationPolicy
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "zz-later-" + namespace},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "later.example.org",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL:      &server.URL,
				CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			FailurePolicy:           &fail,
			SideEffects:             &none,
			ReinvocationPolicy:      &never,
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
	configurations := s.kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if _, err := configurations.Create(t.Context(), configuration, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		if err := configurations.Delete(ctx, configuration.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

package webhookconfig

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
)

func toTyped(t *testing.T, content map[string]any, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, into); err != nil {
		t.Fatal(err)
	}
}

func fromTyped(t *testing.T, o any) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

func TestDriftOf(t *testing.T) {
	fail, exact := admissionregistrationv1.Fail, admissionregistrationv1.Exact
	url := "https://example.com"
	adds := func(r ...metav1.LabelSelectorRequirement) func(*admissionregistrationv1.MutatingWebhook) {
		return func(w *admissionregistrationv1.MutatingWebhook) {
			w.NamespaceSelector.MatchExpressions = append(w.NamespaceSelector.MatchExpressions, r...)
		}
	}
	selector := []string{`namespaceSelector of webhook "mutate.pods.shmkeeper.dev" was changed`}
	for name, tc := range map[string]struct {
		change func(*admissionregistrationv1.MutatingWebhook)
		want   []string
	}{
		"nothing": {func(*admissionregistrationv1.MutatingWebhook) {}, nil},
		"what is the operator's": {func(w *admissionregistrationv1.MutatingWebhook) {
			seconds, never := int32(1), admissionregistrationv1.NeverReinvocationPolicy
			w.TimeoutSeconds, w.ReinvocationPolicy, w.ClientConfig.CABundle = &seconds, &never, []byte("ca")
			w.MatchConditions = append(w.MatchConditions, admissionregistrationv1.MatchCondition{Name: "more", Expression: "true"})
		}, nil},
		"every field that matters": {func(w *admissionregistrationv1.MutatingWebhook) {
			w.ClientConfig.URL, w.ClientConfig.Service = &url, nil
			w.Rules, w.FailurePolicy, w.MatchPolicy = nil, &fail, &exact
			w.NamespaceSelector, w.ObjectSelector = &metav1.LabelSelector{}, &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
			w.MatchConditions[0].Expression = "false"
		}, []string{
			`clientConfig.service of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`rules of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`failurePolicy of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`matchPolicy of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`namespaceSelector of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`objectSelector of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`match condition "not-a-mirror-pod" of webhook "mutate.pods.shmkeeper.dev" was changed`,
		}},
		"what AKS adds": {adds(metav1.LabelSelectorRequirement{Key: "control-plane", Operator: "DoesNotExist"}), nil},
		"a label that is asked for besides": {func(w *admissionregistrationv1.MutatingWebhook) {
			w.NamespaceSelector.MatchLabels = map[string]string{"team": "a"}
		}, nil},
		"a requirement for the mode": {adds(metav1.LabelSelectorRequirement{Key: "shmkeeper.dev/mode", Operator: "DoesNotExist"}), selector},
		"a label for the mode": {func(w *admissionregistrationv1.MutatingWebhook) {
			w.NamespaceSelector.MatchLabels = map[string]string{"shmkeeper.dev/mode": "audit"}
		}, selector},
		"a requirement that is exchanged": {func(w *admissionregistrationv1.MutatingWebhook) {
			w.NamespaceSelector.MatchExpressions[0] = metav1.LabelSelectorRequirement{Key: "control-plane", Operator: "DoesNotExist"}
		}, selector},
		"an objectSelector, which an owner of Pods could use": {func(w *admissionregistrationv1.MutatingWebhook) {
			w.ObjectSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "DoesNotExist"}}}
		}, []string{`objectSelector of webhook "mutate.pods.shmkeeper.dev" was changed`}},
	} {
		t.Run(name, func(t *testing.T) {
			manifest, err := readManifest(webhooks.Mutating(), Mutating, "shmkeeper-system")
			if err != nil {
				t.Fatal(err)
			}
			o := shipped(t)
			tc.change(&o.Webhooks[0])
			live := fromTyped(t, o)
			if diff := cmp.Diff(tc.want, driftOf(live, manifest, false)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			fixed, _ := restored(webhooksOf(live)[0], webhooksOf(manifest)[0], false)
			live.Object["webhooks"] = []any{map[string]any(fixed)}
			if left := driftOf(live, manifest, false); len(left) > 0 {
				t.Errorf("after it is restored: %v", left)
			}
		})
	}
	t.Run("a failure policy where none matters", func(t *testing.T) {
		o := shipped(t)
		manifest := fromTyped(t, o)
		o.Webhooks[0].FailurePolicy = &fail
		if got := driftOf(fromTyped(t, o), manifest, true); len(got) > 0 {
			t.Errorf("drift: %v", got)
		}
	})
}

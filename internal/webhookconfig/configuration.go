package webhookconfig

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
)

// The kinds of webhook configurations. Shmkeeper has one of each, of the same name.
const (
	Mutating   = "MutatingWebhookConfiguration"
	Validating = "ValidatingWebhookConfiguration"
)

// Kinds returns both kinds.
func Kinds() []string { return []string{Mutating, Validating} }

// newConfiguration returns an empty configuration. Both kinds are handled as what they
// are in JSON, in which they do not differ.
func newConfiguration(kind string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(admissionregistrationv1.SchemeGroupVersion.WithKind(kind))
	return u
}

// webhook is one entry of a configuration.
type webhook map[string]any

// webhooksOf returns copies of the entries of a configuration, in their order.
func webhooksOf(configuration *unstructured.Unstructured) (out []webhook) {
	if configuration == nil {
		return nil
	}
	// An API server stores no configuration of another shape.
	entries, _, _ := unstructured.NestedSlice(configuration.Object, "webhooks")
	for _, entry := range entries {
		if w, ok := entry.(map[string]any); ok {
			out = append(out, w)
		}
	}
	return out
}

func find(webhooks []webhook, name string) webhook {
	i := slices.IndexFunc(webhooks, func(w webhook) bool { return w.name() == name })
	if i < 0 {
		return nil
	}
	return webhooks[i]
}

func (w webhook) name() string {
	name, _, _ := unstructured.NestedString(w, "name")
	return name
}

func (w webhook) clone() webhook { return runtime.DeepCopyJSON(w) }

// clientConfig returns the part that says where requests are sent. Changes of it change w.
func (w webhook) clientConfig() map[string]any {
	c, ok := w["clientConfig"].(map[string]any)
	if !ok {
		c = map[string]any{}
		w["clientConfig"] = c
	}
	return c
}

// calls reports whether requests are sent to a Service.
func (w webhook) calls(service client.ObjectKey) bool {
	namespace, _, _ := unstructured.NestedString(w.clientConfig(), "service", "namespace")
	name, _, _ := unstructured.NestedString(w.clientConfig(), "service", "name")
	return namespace == service.Namespace && name == service.Name
}

// bundle returns the caBundle; nil if there is none.
func (w webhook) bundle() []byte {
	text, _, _ := unstructured.NestedString(w.clientConfig(), "caBundle")
	bundle, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(bundle) == 0 {
		return nil
	}
	return bundle
}

func (w webhook) setBundle(bundle []byte) {
	if len(bundle) > 0 {
		w.clientConfig()["caBundle"] = base64.StdEncoding.EncodeToString(bundle)
	}
}

func (w webhook) conditions() []any {
	conditions, _, _ := unstructured.NestedSlice(w, "matchConditions")
	return conditions
}

// condition returns the expression of a match condition.
func (w webhook) condition(name string) (expression string, found bool) {
	for _, c := range w.conditions() {
		if c, ok := c.(map[string]any); ok && c["name"] == name {
			expression, _, _ = unstructured.NestedString(c, "expression")
			return expression, true
		}
	}
	return "", false
}

// setCondition gives a match condition an expression, and adds it if it is not there.
func (w webhook) setCondition(name, expression string) {
	conditions := w.conditions()
	wanted := map[string]any{"name": name, "expression": expression}
	i := slices.IndexFunc(conditions, func(c any) bool {
		have, ok := c.(map[string]any)
		return ok && have["name"] == name
	})
	if i < 0 {
		conditions = append(conditions, wanted)
	} else {
		conditions[i] = wanted
	}
	w["matchConditions"] = conditions
}

// getsPods reports whether a webhook is sent Pods, and nothing else.
func (w webhook) getsPods() bool {
	var typed admissionregistrationv1.ValidatingWebhook // has all that counts here of either kind
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(w, &typed); err != nil {
		return false
	}
	for _, rule := range typed.Rules {
		if !slices.Equal(rule.APIGroups, []string{""}) || slices.ContainsFunc(rule.Resources, func(resource string) bool {
			return resource != "pods" && resource != "pods/ephemeralcontainers" && resource != "pods/resize"
		}) {
			return false
		}
	}
	return len(typed.Rules) > 0
}

// bundleOf returns a caBundle that a webhook of the configuration has; nil if none has one.
func bundleOf(configuration *unstructured.Unstructured) []byte {
	for _, w := range webhooksOf(configuration) {
		if bundle := w.bundle(); bundle != nil {
			return bundle
		}
	}
	return nil
}

// ownsEntry reports whether FieldManager has applied more of a webhook than its condition
// matchcondition.Name, when it was restored: it would take that away if it left it out of
// another apply, wherever nobody else owns it.
func ownsEntry(configuration *unstructured.Unstructured, name string) bool {
	return slices.ContainsFunc(configuration.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		if f.Manager != FieldManager || f.Operation != metav1.ManagedFieldsOperationApply || f.FieldsV1 == nil {
			return false
		}
		var fields map[string]map[string]map[string]map[string]any
		if err := json.Unmarshal(f.FieldsV1.GetRawBytes(), &fields); err != nil {
			return false
		}
		owned := fields["f:webhooks"][`k:{"name":"`+name+`"}`]
		conditions := owned["f:matchConditions"]
		for _, each := range []string{".", "f:name", "f:matchConditions"} {
			delete(owned, each)
		}
		for _, each := range []string{".", `k:{"name":"` + matchcondition.Name + `"}`} {
			delete(conditions, each)
		}
		return len(owned)+len(conditions) > 0
	})
}

// manifestNamespace is the namespace that the manifests are written for.
const manifestNamespace = "shmkeeper-system"

// readManifest reads a webhook configuration as it ships, for a server that runs in the
// given namespace.
func readManifest(text []byte, kind, namespace string) (*unstructured.Unstructured, error) {
	const remedy = "build the program again from a clean checkout"
	var typed client.Object = &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if kind == Mutating {
		typed = &admissionregistrationv1.MutatingWebhookConfiguration{}
	}
	if err := yaml.UnmarshalStrict(text, typed); err != nil {
		return nil, fmt.Errorf("the %s that ships cannot be read: %w: %s", kind, err, remedy)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, err
	}
	inNamespace(content, namespace)
	u := &unstructured.Unstructured{Object: content}
	if got := u.GroupVersionKind(); got != newConfiguration(kind).GroupVersionKind() || u.GetName() == "" {
		return nil, fmt.Errorf("the %s that ships is a %s named %q: %s", kind, got.Kind, u.GetName(), remedy)
	}
	return u, nil
}

// inNamespace puts a namespace wherever manifestNamespace is a whole value.
func inNamespace(value any, namespace string) any {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			v[key] = inNamespace(field, namespace)
		}
	case []any:
		for i, item := range v {
			v[i] = inNamespace(item, namespace)
		}
	case string:
		if v == manifestNamespace {
			return namespace
		}
	}
	return value
}

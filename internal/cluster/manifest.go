package cluster

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// manifestNamespace is the namespace that the manifests are written for.
const manifestNamespace = "shmkeeper-system"

// The kinds of webhook configurations.
const (
	mutatingKind   = "MutatingWebhookConfiguration"
	validatingKind = "ValidatingWebhookConfiguration"
)

// newConfiguration is an empty one of a kind.
func newConfiguration(kind string) client.Object {
	if kind == mutatingKind {
		return &admissionregistrationv1.MutatingWebhookConfiguration{}
	}
	return &admissionregistrationv1.ValidatingWebhookConfiguration{}
}

// readManifest reads a webhook configuration as it ships, and makes it what the
// API server would store for a server that runs in the given namespace.
func readManifest(text []byte, kind, namespace string) (client.Object, error) {
	o := newConfiguration(kind)
	if err := yaml.UnmarshalStrict(text, o); err != nil {
		return nil, fmt.Errorf("the %s that ships cannot be read: %w; build the program anew from a clean checkout", kind, err)
	}
	if got := o.GetObjectKind().GroupVersionKind(); got != admissionregistrationv1.SchemeGroupVersion.WithKind(kind) || o.GetName() == "" {
		return nil, fmt.Errorf("the %s that ships is a %s named %q; build the program anew from a clean checkout", kind, got.Kind, o.GetName())
	}
	for _, h := range hooksOf(o) {
		h.fill()
		if h.config.Service != nil {
			h.config.Service.Namespace = namespace
		}
		for _, r := range (*h.namespaceSelector).MatchExpressions {
			for i, value := range r.Values {
				if r.Key == "kubernetes.io/metadata.name" && value == manifestNamespace {
					r.Values[i] = namespace
				}
			}
		}
	}
	return o, nil
}

// ownedBy is the reference that has a configuration deleted with the namespace.
func ownedBy(namespace *metav1.PartialObjectMetadata) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: namespace.Name, UID: namespace.UID}
}

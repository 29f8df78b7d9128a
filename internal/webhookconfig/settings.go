package webhookconfig

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ClosedWebhooks returns the short names of the webhooks that fail closed as they ship.
func ClosedWebhooks() []string { return []string{"enforce", "policies"} }

// Settings are what an administrator wants otherwise than it ships. A configuration that
// differs in nothing else is not restored, and one that is restored is restored to them.
// The zero value is what ships.
type Settings struct {
	// FailOpen names webhooks to have the failurePolicy Ignore, among ClosedWebhooks.
	FailOpen []string
	// ExcludedNamespaces are namespaces for which no webhook is called, in addition to those
	// that ship.
	ExcludedNamespaces []string
}

// apply changes a configuration as it ships to what is wanted.
func (s Settings) apply(u *unstructured.Unstructured) {
	var entries []any
	for _, w := range webhooksOf(u) {
		if short, _, _ := strings.Cut(w.name(), "."); slices.Contains(s.FailOpen, short) {
			w[failurePolicy] = "Ignore"
		}
		selector, _ := w[namespaceSelector].(map[string]any)
		expressions, _ := selector["matchExpressions"].([]any)
		for _, e := range expressions {
			if e, ok := e.(map[string]any); ok && e["key"] == "kubernetes.io/metadata.name" {
				e["values"] = s.exclude(e["values"])
			}
		}
		entries = append(entries, map[string]any(w))
	}
	u.Object["webhooks"] = entries
}

// exclude returns names of namespaces with those that are excluded, each once.
func (s Settings) exclude(names any) []any {
	out, _ := names.([]any)
	for _, name := range s.ExcludedNamespaces {
		if !slices.Contains(out, any(name)) {
			out = append(out, name)
		}
	}
	return out
}

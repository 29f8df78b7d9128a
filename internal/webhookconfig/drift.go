package webhookconfig

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// restoredFields are the fields of a webhook, besides clientConfig and the match
// conditions, that decide whether requests arrive and what happens when they do not.
var restoredFields = []string{"rules", failurePolicy, "matchPolicy", namespaceSelector, objectSelector}

const (
	failurePolicy     = "failurePolicy"
	namespaceSelector = "namespaceSelector"
	objectSelector    = "objectSelector"
)

// restored returns a webhook with what matters of it as wanted, and what was changed, each
// in words. All else stays as it is.
func restored(have, want webhook, ignoreFailurePolicy bool) (fixed webhook, drift []string) {
	fixed = have.clone()
	changed := func(what string) {
		drift = append(drift, fmt.Sprintf("%s of webhook %q was changed", what, want.name()))
	}
	to, wanted := fixed.clientConfig(), want.clone().clientConfig()
	if _, found := to["url"]; found || !equality.Semantic.DeepEqual(to["service"], wanted["service"]) {
		delete(to, "url")
		to["service"] = wanted["service"]
		changed("clientConfig.service")
	}
	for _, field := range restoredFields {
		is, shouldBe := have[field], want.clone()[field]
		switch {
		case field == failurePolicy && ignoreFailurePolicy, equality.Semantic.DeepEqual(is, shouldBe):
			continue
		case field == namespaceSelector && onlyAdds(is, shouldBe):
			continue
		case field == objectSelector && len(requirements(is))+len(requirements(shouldBe)) == 0:
			continue // absent and empty are the same
		case shouldBe == nil:
			shouldBe = map[string]any{} // an objectSelector: the manifests give all else
		}
		fixed[field] = shouldBe
		changed(field)
	}
	for _, c := range want.conditions() {
		c, ok := c.(map[string]any)
		name, _, _ := unstructured.NestedString(c, "name")
		shouldBe, found := want.condition(name)
		if is, there := have.condition(name); ok && found && (!there || is != shouldBe) {
			fixed.setCondition(name, shouldBe)
			changed(fmt.Sprintf("match condition %q", name))
		}
	}
	return fixed, drift
}

// onlyAdds reports whether a selector has every requirement of another one, and more of
// them for other labels only. AKS adds `control-plane DoesNotExist` to every
// namespaceSelector, and adds it again when it is taken away; nobody who adds one for a
// label that shmkeeper selects by means well.
func onlyAdds(selector, to any) bool {
	wanted := requirements(to)
	missing := slices.Clone(wanted)
	for _, r := range requirements(selector) {
		if i := slices.IndexFunc(missing, func(w map[string]any) bool { return equality.Semantic.DeepEqual(r, w) }); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
		} else if slices.ContainsFunc(wanted, func(w map[string]any) bool { return w["key"] == r["key"] }) {
			return false
		}
	}
	return len(missing) == 0
}

// requirements returns what a label selector asks for, as matchExpressions would have it.
func requirements(selector any) (out []map[string]any) {
	s, ok := selector.(map[string]any)
	if !ok {
		return nil
	}
	expressions, _, _ := unstructured.NestedSlice(s, "matchExpressions")
	for _, e := range expressions {
		if e, ok := e.(map[string]any); ok {
			out = append(out, e)
		}
	}
	labels, _, _ := unstructured.NestedStringMap(s, "matchLabels")
	for key, value := range labels {
		out = append(out, map[string]any{"key": key, "operator": "In", "values": []any{value}})
	}
	return out
}

// driftOf returns what somebody has changed that matters, in words.
func driftOf(live, manifest *unstructured.Unstructured, ignoreFailurePolicy bool) (drift []string) {
	if live == nil {
		return []string{"it was deleted"}
	}
	have := webhooksOf(live)
	for _, want := range webhooksOf(manifest) {
		is := find(have, want.name())
		if is == nil {
			drift = append(drift, fmt.Sprintf("webhook %q was missing", want.name()))
			continue
		}
		_, changes := restored(is, want, ignoreFailurePolicy)
		drift = append(drift, changes...)
	}
	return drift
}

// foreign returns the names of webhooks that the manifest does not have.
func foreign(live, manifest *unstructured.Unstructured) (names []string) {
	ours := webhooksOf(manifest)
	for _, w := range webhooksOf(live) {
		if find(ours, w.name()) == nil {
			names = append(names, w.name())
		}
	}
	return names
}

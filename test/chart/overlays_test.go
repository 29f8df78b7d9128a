package chart

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	crdKey       = "CustomResourceDefinition.apiextensions.k8s.io /sharedmemorypolicies.shmkeeper.dev"
	namespaceKey = "Namespace /shmkeeper-system"
)

// What Helm has to know of the CRD, and kubectl not.
var helmsOwn = map[string]string{
	"helm.sh/resource-policy":        "keep",
	"meta.helm.sh/release-name":      "shmkeeper",
	"meta.helm.sh/release-namespace": "shmkeeper-system",
}

// The chart has the objects of each overlay, to the last field.
func TestChart_EqualsOverlays(t *testing.T) {
	for name, c := range map[string]struct {
		values   string
		overlays []string
	}{
		"no values":                         {"", []string{"default"}},
		"certificates from cert-manager":    {"{certs: {source: cert-manager}}", []string{"cert-manager"}},
		"audit as the most":                 {"{maxMode: audit}", []string{"audit-only"}},
		"the network of the nodes":          {"{hostNetwork: true}", []string{"host-network"}},
		"measuring volumes":                 {"{usage: {enabled: true}}", []string{"default+usage"}},
		"with monitoring":                   {"{monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboard: {enabled: true}}}", []string{"default", "monitoring"}},
		"all of the library, checked later": {"{policies: {include: ['*']}, webhooks: {policies: {failurePolicy: Fail}}}", []string{"default", "policies"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := kustomize(t, c.overlays...)
			want.sortEnvironment(t)
			for made, values := range map[bool]string{false: c.values, true: merged(t, c.values, "{namespace: {create: true}}")} {
				got := render(t, values)
				withoutHelmsOwn(t, got[crdKey])
				if !made {
					if got[namespaceKey] != nil {
						t.Error("the chart has the namespace of its release, which Helm needs before")
					}
					got[namespaceKey] = want[namespaceKey]
				}
				got.sortEnvironment(t)
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("the overlays (-) and the chart (+) differ:\n%s", diff)
				}
			}
		})
	}
}

// sortEnvironment sorts the variables of the server by name, after it has checked that each comes after those that it refers to: kustomize
// moves those that a patch changes to the front.
func (o objects) sortEnvironment(t *testing.T) {
	t.Helper()
	env := as[[]any](o.container(t)["env"])
	before := map[string]bool{}
	for _, e := range env {
		variable := as[map[string]any](e)
		for _, reference := range regexp.MustCompile(`\$\((\w+)\)`).FindAllStringSubmatch(fmt.Sprint(variable["value"]), -1) {
			if !before[reference[1]] {
				t.Errorf("the variable %s refers to %s, which does not come before", variable["name"], reference[1])
			}
		}
		before[as[string](variable["name"])] = true
	}
	slices.SortFunc(env, func(a, b any) int {
		return cmp.Compare(as[string](as[map[string]any](a)["name"]), as[string](as[map[string]any](b)["name"]))
	})
}

// withoutHelmsOwn takes from the CRD what Helm needs, and fails if that is not there.
func withoutHelmsOwn(t *testing.T, crd *unstructured.Unstructured) {
	t.Helper()
	if crd == nil {
		t.Fatal("the chart has no CRD")
	}
	if diff := gocmp.Diff(map[string]string{"app.kubernetes.io/managed-by": "Helm"}, crd.GetLabels()); diff != "" {
		t.Error(diff)
	}
	unstructured.RemoveNestedField(crd.Object, "metadata", "labels")
	annotations := crd.GetAnnotations()
	for key, value := range helmsOwn {
		if annotations[key] != value {
			t.Errorf("the CRD has the annotation %s=%q, want %q", key, annotations[key], value)
		}
		delete(annotations, key)
	}
	crd.SetAnnotations(annotations)
}

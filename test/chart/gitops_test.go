package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// What docs/how-to/gitops.md gives Argo CD and Flux is a release that the chart takes: its name, its namespace, and values that
// come out as the image and the library of policies.
func TestGitOpsPage_ChartTakesItsValues(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/how-to/gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		for _, document := range strings.Split(string(block[1]), "\n---\n") {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
				t.Fatalf("%v in\n%s", err, document)
			}
			switch u.GetKind() {
			case "Application":
				takes(t, u, []string{"spec", "source", "helm", "releaseName"}, []string{"spec", "destination", "namespace"}, []string{"spec", "source", "helm", "valuesObject"})
			case "HelmRelease":
				takes(t, u, []string{"spec", "releaseName"}, []string{"spec", "targetNamespace"}, []string{"spec", "values"})
			default:
				continue
			}
			seen[u.GetKind()] = true
		}
	}
	if len(seen) != 2 {
		t.Errorf("the page has %v, want an Application and a HelmRelease", seen)
	}
}

// takes fails unless the chart takes the release that an object asks for, by the paths of its name, namespace and values.
func takes(t *testing.T, u *unstructured.Unstructured, name, namespace, values []string) {
	t.Helper()
	o := release
	for to, path := range map[*string][]string{&o.Name: name, &o.Namespace: namespace} {
		text, found, err := unstructured.NestedString(u.Object, path...)
		if err != nil || !found {
			t.Fatalf("%s has no %s: %v", u.GetKind(), strings.Join(path, "."), err)
		}
		*to = text
	}
	given, found, err := unstructured.NestedMap(u.Object, values...)
	if err != nil || !found {
		t.Fatalf("%s has no values: %v", u.GetKind(), err)
	}
	text, err := yaml.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files(t, o, string(text)); err != nil {
		t.Errorf("%s: %v", u.GetKind(), err)
	}
	rendered := render(t, string(text))
	if got, want := rendered.container(t)["image"], "registry.example.com/shmkeeper:v0.1.0"; got != want {
		t.Errorf("%s: the image is %v, want %s", u.GetKind(), got, want)
	}
	if rendered["SharedMemoryPolicy.shmkeeper.dev /selenium"] == nil {
		t.Errorf("%s: the library of policies is not there", u.GetKind())
	}
}

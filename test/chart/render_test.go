package chart

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	v2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// objects are Kubernetes objects by kind, namespace and name.
type objects map[string]*unstructured.Unstructured

// read adds the objects of a stream of YAML.
func (o objects) read(t *testing.T, stream string) {
	t.Helper()
	for _, document := range strings.Split("\n"+stream, "\n---") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(u.Object) == 0 {
			continue
		}
		key := fmt.Sprintf("%s %s/%s", u.GroupVersionKind().GroupKind(), u.GetNamespace(), u.GetName())
		if o[key] != nil {
			t.Fatalf("%s is there twice", key)
		}
		o[key] = u
	}
}

func loadChart(t *testing.T) *v2.Chart {
	t.Helper()
	c, err := loader.LoadDir(filepath.Join(root, "charts/shmkeeper"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// release is what an ordinary first installation is.
var release = common.ReleaseOptions{Name: "shmkeeper", Namespace: "shmkeeper-system", Revision: 1, IsInstall: true}

// files renders the templates, by their names. An error is one that a user of helm would see.
func files(t *testing.T, o common.ReleaseOptions, values string) (map[string]string, error) {
	t.Helper()
	c := loadChart(t)
	var given map[string]any
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(c, given, o, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

// render returns the objects of a first installation: what is in crds/ and what the templates make of the values.
func render(t *testing.T, values string) objects {
	t.Helper()
	rendered, err := files(t, release, values)
	if err != nil {
		t.Fatal(err)
	}
	out := objects{}
	for _, crd := range loadChart(t).CRDObjects() {
		out.read(t, string(crd.File.Data))
	}
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		if strings.HasSuffix(name, ".yaml") {
			out.read(t, rendered[name])
		}
	}
	return out
}

// withComponent returns a folder with an overlay to which a component was added.
func withComponent(t *testing.T, overlay, component string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	lines := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
	for field, folder := range map[string]string{"resources": overlay, "components": component} {
		absolute, err := filepath.Abs(folder)
		if err != nil {
			t.Fatal(err)
		}
		relative, err := filepath.Rel(dir, absolute)
		if err != nil {
			t.Fatal(err)
		}
		lines += fmt.Sprintf("%s: [%q]\n", field, relative)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// kustomize returns the objects of overlays of manifests/; "default+usage" is an overlay with a component.
func kustomize(t *testing.T, overlays ...string) objects {
	t.Helper()
	out := objects{}
	for _, overlay := range overlays {
		overlay, component, _ := strings.Cut(overlay, "+")
		folder := filepath.Join(root, "manifests", overlay)
		if component != "" {
			folder = withComponent(t, folder, filepath.Join(root, "manifests", component))
		}
		out.read(t, string(bytes.TrimSpace(stream(t, folder))))
	}
	return out
}

// stream returns what kustomize builds from a folder, in its order.
func stream(t *testing.T, folder string) []byte {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// merged returns values of which the second have been added to the first.
func merged(t *testing.T, values, more string) string {
	t.Helper()
	out := map[string]any{}
	for _, text := range []string{values, more} {
		var part map[string]any
		if err := yaml.Unmarshal([]byte(text), &part); err != nil {
			t.Fatal(err)
		}
		maps.Copy(out, part)
	}
	text, err := yaml.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

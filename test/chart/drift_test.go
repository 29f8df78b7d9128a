//go:build helm

package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/ssa/jsondiff"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Argo CD renders the chart by `helm template`, applies it as kubectl does, and then compares what it has rendered with what is
// there, again and again. Meanwhile the server writes into the same objects.
func TestArgoCD(t *testing.T) {
	c := newCluster(t)
	argo := c.buildArgo()
	rendered := c.helm("template", "shmkeeper", filepath.Join(root, "charts/shmkeeper"), "--include-crds", "--set", "namespace.create=true",
		"--set", "policies.include={*}", "--set", "namespaces[0].name=shop", "--set", "namespaces[0].mode=enforce")
	for _, test := range []struct {
		name  string
		flags []string
	}{
		{"applied by the client, which is its default", nil},
		{"applied by the server", []string{"--server-side", "--force-conflicts", "--field-manager=argocd-controller"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.sync(rendered, test.flags...)
			c.restart()
			c.enforces()
			written := c.written()
			c.noDriftForArgo(argo, rendered)

			c.sync(rendered, test.flags...)
			if diff := cmp.Diff(written, c.written()); diff != "" {
				t.Errorf("another sync changed what the server wrote: %s", diff)
			}
			c.noDriftForArgo(argo, rendered)
		})
	}
}

// sync applies objects in the order in which Argo CD does: namespaces and kinds first. What comes too early is tried again.
func (c *cluster) sync(rendered string, flags ...string) {
	c.Helper()
	for _, early := range []bool{true, false} {
		var stream bytes.Buffer
		for _, u := range sorted(c.T, rendered) {
			if kind := u.GetKind(); (kind == "Namespace" || kind == "CustomResourceDefinition") == early {
				text, err := json.Marshal(u)
				if err != nil {
					c.Fatal(err)
				}
				fmt.Fprintf(&stream, "---\n%s\n", text)
			}
		}
		apply := c.cp.KubectlCommand(c.Context(), append([]string{"apply", "-f", "-"}, flags...)...)
		apply.Stdin = &stream
		if out, err := apply.CombinedOutput(); err != nil {
			c.Fatalf("%v\n%s", err, out)
		}
		if early {
			if _, err := c.cp.Kubectl(c.Context(), "wait", "--for=condition=Established", "crd/"+crdName); err != nil {
				c.Fatal(err)
			}
		}
	}
}

// sorted returns the objects of a stream by their keys.
func sorted(t *testing.T, stream string) (out []*unstructured.Unstructured) {
	t.Helper()
	all := objects{}
	all.read(t, stream)
	for _, u := range all {
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b *unstructured.Unstructured) int {
		return strings.Compare(a.GetKind()+" "+a.GetName(), b.GetKind()+" "+b.GetName())
	})
	return out
}

// buildArgo builds the program that compares as Argo CD does.
func (c *cluster) buildArgo() string {
	c.Helper()
	program := filepath.Join(c.dir, "argocd")
	build := exec.CommandContext(c.Context(), "go", "build", "-o", program, ".")
	build.Dir, build.Env = filepath.Join(root, "test/argocd"), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		c.Fatalf("build the comparison of Argo CD: %v\n%s", err, out)
	}
	return program
}

// noDriftForArgo has Argo CD's own code compare what was rendered with what is there.
func (c *cluster) noDriftForArgo(program, rendered string) {
	c.Helper()
	type pair struct{ Config, Live *unstructured.Unstructured }
	var pairs []pair
	live := c.newClient()
	for _, u := range sorted(c.T, rendered) {
		found := &unstructured.Unstructured{}
		found.SetGroupVersionKind(u.GroupVersionKind())
		if err := live.Get(c.Context(), client.ObjectKeyFromObject(u), found); err != nil {
			c.Fatal(err)
		}
		pairs = append(pairs, pair{u, found})
	}
	input, err := json.Marshal(pairs)
	if err != nil {
		c.Fatal(err)
	}
	compare := exec.CommandContext(c.Context(), program)
	compare.Stdin = bytes.NewReader(input)
	if out, err := compare.CombinedOutput(); err != nil {
		c.Errorf("for Argo CD what is rendered drifts: %v\n%s", err, out)
	}
	if len(pairs) < 40 {
		c.Errorf("only %d objects were compared", len(pairs))
	}
}

// noDriftForFlux has the code of Flux's Helm controller compare a release with what is there.
func (c *cluster) noDriftForFlux(manifest string) {
	c.Helper()
	set, err := jsondiff.UnstructuredList(c.Context(), c.newClient(), sorted(c.T, manifest), jsondiff.FieldOwner("helm-controller"))
	if err != nil {
		c.Fatal(err)
	}
	for _, d := range set {
		if d.Type != jsondiff.DiffTypeNone {
			c.Errorf("for Flux the release drifts: %s %s: %s %s", d.DesiredObject.GetObjectKind().GroupVersionKind().Kind, d.DesiredObject.GetName(), d.Type, d.Patch)
		}
	}
}

// newClient returns a client for objects of all kinds, which knows those that were there when it was made.
func (c *cluster) newClient() client.Client {
	c.Helper()
	config := rest.CopyConfig(c.cp.Config)
	config.WarningHandler = rest.NoWarnings{}
	out, err := client.New(config, client.Options{})
	if err != nil {
		c.Fatal(err)
	}
	return out
}

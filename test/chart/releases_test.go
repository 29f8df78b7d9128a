//go:build helm

package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

const (
	crdName   = "sharedmemorypolicies.shmkeeper.dev"
	enforcing = "enforce.pods.shmkeeper.dev"
	checking  = "policies.shmkeeper.dev"
)

// One release from its installation to its end, as an administrator would see it.
func TestRelease(t *testing.T) {
	c := newCluster(t)
	chart := filepath.Join(root, "charts/shmkeeper")
	newer := newerChart(t, chart)

	// Nobody answers the webhooks yet, and the policies are part of the release all the same.
	notes := c.helm("install", "shmkeeper", chart, "--create-namespace",
		"--set", "policies.include={*}", "--set", "namespaces[0].name=shop", "--set", "namespaces[0].mode=enforce")
	if want := "kubectl -n shmkeeper-system rollout status deployment/shmkeeper"; !strings.Contains(notes, want) {
		t.Errorf("the notes do not say %q:\n%s", want, notes)
	}
	library := c.names()
	if len(library) < 20 {
		t.Fatalf("only %d policies were installed: %q", len(library), library)
	}
	if limit, err := c.browser(t.Context(), "shop"); !failsClosed(err) {
		t.Errorf("while no replica answers a Pod of a namespace in mode enforce got the volume %q, and the error %v", limit, err)
	}

	c.restart()
	c.enforces()
	c.eventually(func(context.Context) error { return accepted(c.get(policies, "selenium")) })
	written := c.written()
	c.noDrift()
	c.restoresAsSet()

	c.helm("upgrade", "shmkeeper", chart, "--reset-then-reuse-values")
	if diff := cmp.Diff(written, c.written()); diff != "" {
		t.Errorf("an upgrade to the same changed what the server wrote: %s", diff)
	}

	c.upgrade(newer, written, library)
	c.rollback(library)
	c.uninstall()

	// The CRD that stayed is in nobody's way.
	c.helm("install", "shmkeeper", newer, "--set", "policies.include={selenium}")
	c.get(policies, "selenium")
}

// What kubectl applied becomes a release, without being deleted. kubectl goes on owning the fields, so Helm has to insist.
func TestRelease_TakesOverWhatKubectlApplied(t *testing.T) {
	c := newCluster(t)
	if err := install.Apply(t.Context(), c.cp, "default"); err != nil {
		t.Fatal(err)
	}
	before := c.get(crds, crdName).GetUID()
	c.helm("install", "shmkeeper", filepath.Join(root, "charts/shmkeeper"), "--take-ownership", "--force-conflicts")
	c.helm("upgrade", "shmkeeper", filepath.Join(root, "charts/shmkeeper"), "--set", "replicas=3", "--force-conflicts")
	c.noDrift()
	if after := c.get(crds, crdName).GetUID(); after != before {
		t.Error("the CRD was replaced, and with it the policies were deleted")
	}
}

// upgrade changes chart and values.
func (c *cluster) upgrade(newer string, written map[string]string, library []string) {
	c.Helper()
	c.helm("upgrade", "shmkeeper", newer, "--reset-then-reuse-values", "--set", "replicas=3", "--set", "policies.exclude={hygiene}",
		"--set", "excludedNamespaces={legacy}", "--set", "webhooks.enforce.timeoutSeconds=7")
	c.restart()
	c.enforces()
	if diff := cmp.Diff(written["caBundle"], c.written()["caBundle"]); diff != "" {
		c.Errorf("the upgrade changed the caBundle: %s", diff)
	}
	if !hasNewColumn(c.get(crds, crdName)) {
		c.Error("the CRD was not upgraded")
	}
	if got := c.names(); slices.Contains(got, "hygiene") || len(got) != len(library)-1 {
		c.Errorf("the policies are %q, want all but hygiene", got)
	}
	if got := c.webhook(validating, enforcing)["timeoutSeconds"]; got != int64(7) {
		c.Errorf("the timeout is %v, want 7", got)
	}
	if limit, err := c.browser(c.Context(), c.excluded("legacy")); limit != "" || err != nil {
		c.Errorf("a Pod of an excluded namespace got the volume %q, and the error %v", limit, err)
	}
	c.noDrift()
}

// rollback goes back to the installation.
func (c *cluster) rollback(library []string) {
	c.Helper()
	c.helm("rollback", "shmkeeper", "1")
	c.restart()
	c.enforces()
	if got := c.webhook(validating, enforcing)["timeoutSeconds"]; got != int64(5) {
		c.Errorf("after the rollback the timeout is %v, want 5", got)
	}
	if diff := cmp.Diff(library, c.names()); diff != "" {
		c.Errorf("after the rollback the policies differ: %s", diff)
	}
	if !hasNewColumn(c.get(crds, crdName)) {
		c.Error("the rollback took the CRD back, with which policies may need it")
	}
}

// uninstall ends the release.
func (c *cluster) uninstall() {
	c.Helper()
	c.helm("uninstall", "shmkeeper")
	c.stop()
	c.eventually(c.gone)
	if limit, err := c.browser(c.Context(), "shop"); limit != "" || err != nil {
		c.Errorf("after the end a Pod gets the volume %q, and the error %v", limit, err)
	}
	c.get(crds, crdName)
	c.get(namespaces, "shop")
}

// newerChart copies the chart, with one more column in the CRD.
func newerChart(t *testing.T, chart string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shmkeeper")
	if err := os.CopyFS(dir, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "crds/shmkeeper.dev_sharedmemorypolicies.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const columns = "  - additionalPrinterColumns:\n"
	changed := bytes.Replace(text, []byte(columns), []byte(columns+"    - {jsonPath: .metadata.generation, name: Newer, type: integer}\n"), 1)
	if bytes.Equal(text, changed) {
		t.Fatalf("the CRD has no %q", columns)
	}
	if err := os.WriteFile(file, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func hasNewColumn(crd *unstructured.Unstructured) bool {
	return strings.Contains(fmt.Sprint(crd.Object["spec"]), "name:Newer")
}

// failsClosed reports whether a Pod was rejected because nobody answered.
func failsClosed(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), enforcing)
}

// accepted returns an error until the server has accepted a policy.
func accepted(policy *unstructured.Unstructured) error {
	conditions, _, err := unstructured.NestedSlice(policy.Object, "status", "conditions")
	for _, condition := range conditions {
		if c, ok := condition.(map[string]any); ok && c["type"] == "Accepted" && c["status"] == "True" {
			return nil
		}
	}
	return errors.Join(err, fmt.Errorf("the policy %s is not accepted: %v", policy.GetName(), conditions))
}

// enforces waits until the Pods of the namespace shop get their volume.
func (c *cluster) enforces() {
	c.Helper()
	c.eventually(func(ctx context.Context) error {
		if limit, err := c.browser(ctx, "shop"); limit != "2Gi" {
			return fmt.Errorf("the Pod got the volume %q, and the error %w", limit, err)
		}
		return nil
	})
}

// written returns what the server writes into the webhook configurations, and waits until it has.
func (c *cluster) written() (out map[string]string) {
	c.Helper()
	c.eventually(func(context.Context) error {
		w, m := c.webhook(validating, enforcing), c.get(mutating, "shmkeeper")
		bundle, _, err := unstructured.NestedString(w, "clientConfig", "caBundle")
		conditions := fmt.Sprint(w["matchConditions"])
		if bundle == "" || !strings.Contains(conditions, "may-match-policy") || len(m.GetOwnerReferences()) != 1 {
			return errors.Join(err, errors.New("the server has not written all of the webhook configurations"))
		}
		out = map[string]string{"caBundle": bundle, "matchConditions": conditions, "owner": fmt.Sprint(m.GetOwnerReferences())}
		return nil
	})
	return out
}

// noDrift compares the release with the cluster as tools do that apply it again and again.
func (c *cluster) noDrift() {
	c.Helper()
	manifest := c.helm("get", "manifest", "shmkeeper")
	diff := c.cp.KubectlCommand(c.Context(), "diff", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-")
	diff.Stdin = strings.NewReader(manifest)
	if out, err := diff.CombinedOutput(); err != nil {
		c.Errorf("the release drifts: %v\n%s", err, out)
	}
	c.noDriftForFlux(manifest)
}

// optIn creates a namespace in mode enforce.
func (c *cluster) optIn(name string) {
	c.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	u.SetName(name)
	u.SetLabels(map[string]string{"shmkeeper.dev/mode": "enforce"})
	if _, err := c.client.Resource(namespaces).Create(c.Context(), u, metav1.CreateOptions{}); err != nil {
		c.Fatal(err)
	}
}

// excluded creates a namespace in mode enforce, and waits until Pods can be created in it.
func (c *cluster) excluded(name string) string {
	c.Helper()
	c.optIn(name)
	c.eventually(func(ctx context.Context) error { // the API server's service account has to be there
		_, err := c.browser(ctx, name)
		if apierrors.IsForbidden(err) {
			return err
		}
		return nil
	})
	return name
}

// restoresAsSet takes the rules from the webhook that checks policies. The server puts them back, and leaves the failure policy that the
// chart has set. It does so while no rollout goes on, and without nodes the first one after the installation never ends.
func (c *cluster) restoresAsSet() {
	c.Helper()
	index := slices.IndexFunc(c.webhooks(), func(w any) bool { return as[map[string]any](w)["name"] == checking })
	patch := fmt.Sprintf(`[{"op": "replace", "path": "/webhooks/%d/rules/0/operations", "value": ["CREATE"]}]`, index)
	if _, err := c.client.Resource(validating).Patch(c.Context(), "shmkeeper", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		c.Fatal(err)
	}
	c.eventually(func(context.Context) error {
		if rules := fmt.Sprint(c.webhook(validating, checking)["rules"]); !strings.Contains(rules, "UPDATE") {
			return fmt.Errorf("the rules are not restored: %s", rules)
		}
		return nil
	})
	if got := c.webhook(validating, checking)["failurePolicy"]; got != "Ignore" {
		c.Errorf("the server restored the failurePolicy %v, which the chart has set to Ignore", got)
	}
}

// webhooks returns those of the validating configuration.
func (c *cluster) webhooks() []any {
	c.Helper()
	webhooks, _, err := unstructured.NestedSlice(c.get(validating, "shmkeeper").Object, "webhooks")
	if err != nil {
		c.Fatal(err)
	}
	return webhooks
}

// gone returns an error while anything is left that could be in the way of a Pod, or a policy of the release.
func (c *cluster) gone(ctx context.Context) error {
	for _, resource := range []string{
		"mutatingwebhookconfigurations/shmkeeper", "validatingwebhookconfigurations/shmkeeper", "shmp",
		"validatingadmissionpolicies", "deployments,services,networkpolicies,secrets",
	} {
		out, err := c.cp.Kubectl(ctx, "get", resource, "--namespace=shmkeeper-system", "--ignore-not-found", "-o", "name")
		if err != nil {
			return err
		}
		if strings.TrimSpace(strings.ReplaceAll(out, "secret/shmkeeper-ca\n", "")) != "" {
			return fmt.Errorf("after the release has gone there is still %s", out)
		}
	}
	return nil
}

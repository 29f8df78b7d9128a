//go:build helm

package chart

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// cluster is a control plane without nodes, and the real helm. A replica of the server runs beside it.
type cluster struct {
	*testing.T
	cp            *envtest.ControlPlane
	client        dynamic.Interface
	dir           string
	helmProgram   string
	serverProgram string
	replica       *install.Replica
}

var (
	admission   = schema.GroupVersion{Group: "admissionregistration.k8s.io", Version: "v1"}
	mutating    = admission.WithResource("mutatingwebhookconfigurations")
	validating  = admission.WithResource("validatingwebhookconfigurations")
	crds        = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	namespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	policies    = schema.GroupVersionResource{Group: "shmkeeper.dev", Version: "v1alpha1", Resource: "sharedmemorypolicies"}
)

func newCluster(t *testing.T) *cluster {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	c := &cluster{T: t, dir: dir, helmProgram: filepath.Join(dir, "helm")}
	build := exec.CommandContext(ctx, "go", "build", "-o", c.helmProgram, "helm.sh/helm/v4/cmd/helm")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build helm: %v\n%s", err, out)
	}
	var err error
	if c.serverProgram, err = install.Build(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if c.cp, err = envtest.Start(ctx, envtest.Options{AuditPolicy: envtest.AuditNone}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	config := rest.CopyConfig(c.cp.Config)
	config.WarningHandler = rest.NoWarnings{}
	if c.client, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return c
}

// helm runs the real helm as the administrator, with folders of its own.
func (c *cluster) helm(args ...string) string {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), c.helmProgram, append(args, "--namespace=shmkeeper-system")...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.cp.Kubeconfig,
		"HELM_CACHE_HOME="+c.dir, "HELM_CONFIG_HOME="+c.dir, "HELM_DATA_HOME="+c.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// restart ends the replica, if there is one, and starts one with the settings in the Deployment, as a kubelet would.
func (c *cluster) restart() {
	c.Helper()
	var args []string
	for _, arg := range as[[]any](c.container()["args"]) {
		if flag, _, _ := strings.Cut(as[string](arg), "="); slices.Contains([]string{"--fail-open", "--excluded-namespaces"}, flag) {
			args = append(args, as[string](arg))
		}
	}
	c.stop()
	var err error
	if c.replica, err = install.StartReplica(c.Context(), c.cp, c.serverProgram, c.TempDir(), "replica", args...); err != nil {
		c.Fatal(err)
	}
	install.ServeReplicas(c.cp, c.replica)
}

// stop ends the replica, if there is one.
func (c *cluster) stop() {
	c.Helper()
	if c.replica != nil {
		if err := c.replica.Stop(); err != nil {
			c.Error(err)
		}
		install.ServeReplicas(c.cp)
	}
	c.replica = nil
}

// container returns the server's container in the Deployment.
func (c *cluster) container() map[string]any {
	c.Helper()
	u, err := c.client.Resource(deployments).Namespace(install.Namespace).Get(c.Context(), "shmkeeper", metav1.GetOptions{})
	if err != nil {
		c.Fatal(err)
	}
	containers, _, err := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	if err != nil {
		c.Fatal(err)
	}
	return as[map[string]any](containers[0])
}

// get returns an object without a namespace.
func (c *cluster) get(resource schema.GroupVersionResource, name string) *unstructured.Unstructured {
	c.Helper()
	u, err := c.client.Resource(resource).Get(c.Context(), name, metav1.GetOptions{})
	if err != nil {
		c.Fatal(err)
	}
	return u
}

// webhook returns one webhook of the configuration of a kind.
func (c *cluster) webhook(resource schema.GroupVersionResource, name string) map[string]any {
	c.Helper()
	webhooks, _, err := unstructured.NestedSlice(c.get(resource, "shmkeeper").Object, "webhooks")
	if err != nil {
		c.Fatal(err)
	}
	for _, w := range webhooks {
		if as[map[string]any](w)["name"] == name {
			return as[map[string]any](w)
		}
	}
	c.Fatalf("there is no webhook %s", name)
	return nil
}

// names returns the names of all policies.
func (c *cluster) names() (names []string) {
	c.Helper()
	list, err := c.client.Resource(policies).List(c.Context(), metav1.ListOptions{})
	if err != nil {
		c.Fatal(err)
	}
	for _, p := range list.Items {
		names = append(names, p.GetName())
	}
	return names
}

// browser asks to create a Pod that the policy selenium matches, without storing it, and returns the sizeLimit of the volume that it got;
// empty if it got none.
func (c *cluster) browser(ctx context.Context, namespace string) (sizeLimit string, err error) {
	pod := policytest.NewPod("web", policytest.WithContainer("web", "selenium/standalone-chrome:4"))
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return "", err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion("v1")
	u.SetKind("Pod")
	u.SetNamespace(namespace)
	created, err := c.client.Resource(pods).Namespace(namespace).Create(ctx, u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return "", err
	}
	volumes, _, err := unstructured.NestedSlice(created.Object, "spec", "volumes")
	for _, v := range volumes {
		if limit, found, _ := unstructured.NestedString(as[map[string]any](v), "emptyDir", "sizeLimit"); found {
			return limit, err
		}
	}
	return "", err
}

// eventually waits until check succeeds, and fails the test with its last error if it does not.
func (c *cluster) eventually(check func(context.Context) error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			c.Fatal(err)
		case <-tick.C:
		}
	}
}

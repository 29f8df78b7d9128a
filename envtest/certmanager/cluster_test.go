package certmanager

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestMain(m *testing.M) {
	// For what does not log to a logger that it is given, and would to standard error.
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// cluster is a control plane with cert-manager in it.
type cluster struct {
	cp     *envtest.ControlPlane
	client client.Client
	// program is the server, and dir where its replicas leave their logs.
	program, dir string
}

// newCluster starts a control plane and cert-manager, until the end of the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	ctx := t.Context()
	crds := filepath.Join(moduleFolder(t, "github.com/cert-manager/cert-manager"), "deploy", "crds")

	c := &cluster{dir: t.TempDir()}
	ctx = logr.NewContext(ctx, c.logger(t))
	var err error
	if c.program, err = install.Build(ctx, c.dir); err != nil {
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
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, cmapi.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	if c.client, err = client.New(c.cp.Config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	// Larger than the annotation that a client-side apply writes.
	c.kubectl(t, "apply", "--server-side", "-f", crds)
	c.kubectl(t, "wait", "--for=condition=Established", "-f", crds, "--timeout=1m")
	during(ctx, t, "cert-manager", func(ctx context.Context) error { return RunController(ctx, c.cp.Kubeconfig) })
	during(ctx, t, "cainjector", func(ctx context.Context) error { return RunInjector(ctx, c.cp.Config) })
	return c
}

// moduleFolder returns where the source of a module is that this one depends on.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("the folder of module %q: %v; run 'go mod download' in the folder of this test", module, err)
	}
	return strings.TrimSpace(string(out))
}

// logger logs into a file, of which the end is shown when the test fails.
func (c *cluster) logger(t *testing.T) logr.Logger {
	t.Helper()
	file, err := os.Create(filepath.Join(c.dir, "cert-manager.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = file.Close() // what cannot be written is missed below
		if t.Failed() {
			t.Logf("the end of cert-manager's log:\n%s", tail(file.Name()))
		}
	})
	return logr.FromSlogHandler(slog.NewTextHandler(file, nil))
}

func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-8000):])
}

// during runs a program until the end of the test, which fails where it ends before.
func during(ctx context.Context, t *testing.T, name string, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); err != nil || ctx.Err() == nil {
			t.Errorf("%s has ended: %v", name, err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

func (c *cluster) kubectl(t *testing.T, args ...string) {
	t.Helper()
	if _, err := c.cp.Kubectl(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

// get reads an object that has to be there.
func get[T client.Object](t *testing.T, c *cluster, namespace, name string, into T) T {
	t.Helper()
	if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into); err != nil {
		t.Fatal(err)
	}
	return into
}

// eventually fails the test with the last error if it does not go away.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// enforcing makes a namespace in mode enforce, and a policy for its Pods labelled app=web, and waits until both are in force.
func (c *cluster) enforcing(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	policy := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	policy.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}
	policy.Spec.Sizing = &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: quantity("128Mi")}}
	if err := c.client.Create(ctx, policy); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{v1alpha1.LabelMode: "enforce"},
	}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		return c.admit(ctx, webPod(name, "first"), client.DryRunAll)
	})
}

func webPod(namespace, name string) *corev1.Pod {
	return policytest.NewPod(name, policytest.Namespace(namespace),
		policytest.Labels(map[string]string{"app": "web"}), policytest.WithContainer("web", "web"))
}

// admit creates a Pod, which has to get its volume.
func (c *cluster) admit(ctx context.Context, pod *corev1.Pod, options ...client.CreateOption) error {
	if err := c.client.Create(ctx, pod, options...); err != nil {
		return err
	}
	for _, m := range pod.Spec.Containers[0].VolumeMounts {
		if m.MountPath == "/dev/shm" {
			return nil
		}
	}
	return errors.New("it was admitted without its volume")
}

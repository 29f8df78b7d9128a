package running

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/diagnose"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/recommend"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/resize"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/top"
	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard()) // or controller-runtime prints a stack about it
	os.Exit(m.Run())
}

// cluster is a control plane with shmkeeper's CRD, until the end of a test.
type cluster struct {
	*envtest.ControlPlane
	client client.Client
}

// start starts a cluster without a controller manager.
func start(t *testing.T, gates map[string]bool) *cluster {
	t.Helper()
	plane, err := envtest.Start(t.Context(), envtest.Options{WithoutControllerManager: true, AuditPolicy: envtest.AuditNone, FeatureGates: gates})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(plane.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	out := &cluster{plane, c}
	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out.kubectl(t, "apply", "-k", filepath.Join(root, "manifests", "crd"))
	out.kubectl(t, "wait", "--for=condition=Established", "--timeout=60s", "crd/sharedmemorypolicies.shmkeeper.dev")
	return out
}

func (c *cluster) kubectl(t *testing.T, args ...string) {
	t.Helper()
	if _, err := c.Kubectl(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

// create makes objects.
func (c *cluster) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := c.client.Create(t.Context(), o); err != nil {
			t.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
	}
}

// shm runs the program with the cluster's kubeconfig.
func (c *cluster) shm(args ...string) clitest.Result {
	return clitest.Run("", append(args, "--kubeconfig", c.Kubeconfig), diagnose.Command, recommend.Command, resize.Command, top.Command)
}

// newNamespace returns a namespace of a mode; without the label if that is empty.
func newNamespace(name, mode string) *corev1.Namespace {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	if mode != "" {
		n.Labels[v1alpha1.LabelMode] = mode
	}
	return n
}

// unstored clears what an API server gives a policy.
func unstored(p *v1alpha1.SharedMemoryPolicy) *v1alpha1.SharedMemoryPolicy {
	p.ObjectMeta = metav1.ObjectMeta{Name: p.Name}
	return p
}

// mustContain fails unless a text has all parts.
func mustContain(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("there is no %q in\n%s", part, text)
		}
	}
}

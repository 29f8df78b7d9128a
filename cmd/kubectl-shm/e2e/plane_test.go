package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/audit"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/diagnose"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/clitest"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/recommend"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/resize"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/rollout"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/top"
	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
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

// verbs are those of which the examples are run: they need no containers that run.
var verbs = []cli.Verb{audit.Command, rollout.Command}

// running are the verbs that look into containers.
var running = []cli.Verb{diagnose.Command, recommend.Command, resize.Command, top.Command}

// start starts a cluster. Without a controller manager the tests play the controllers.
func start(t *testing.T, options envtest.Options) *cluster {
	t.Helper()
	options.AuditPolicy = envtest.AuditNone
	plane, err := envtest.Start(t.Context(), options)
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
	return &cluster{plane, c}
}

// startInstalled starts a cluster without a controller manager, with the CRD and with feature gates of its own.
func startInstalled(t *testing.T, gates map[string]bool) *cluster {
	t.Helper()
	c := start(t, envtest.Options{WithoutControllerManager: true, FeatureGates: gates})
	c.installCRD(t)
	return c
}

// installCRD makes the kind of the policies known.
func (c *cluster) installCRD(t *testing.T) {
	t.Helper()
	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "apply", "-k", filepath.Join(root, "manifests", "crd"))
	c.kubectl(t, "wait", "--for=condition=Established", "--timeout=60s", "crd/sharedmemorypolicies.shmkeeper.dev")
}

func (c *cluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
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
	return clitest.Run("", append(args, "--kubeconfig", c.Kubeconfig), slices.Concat(verbs, running)...)
}

// build builds the program and returns its path.
func build(ctx context.Context, t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubectl-shm")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// newNamespace returns a namespace of a mode; without the label if that is empty.
func newNamespace(name, mode string) *corev1.Namespace {
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	if mode != "" {
		n.Labels[v1alpha1.LabelMode] = mode
	}
	return n
}

// strictPolicy returns a policy that changes nothing, so that its writers violate it.
func strictPolicy() *v1alpha1.SharedMemoryPolicy {
	p := policytest.AppPolicy("strict", "strict")
	p.Spec.Mutation = v1alpha1.MutationDisabled
	return p
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

func name(prefix string, n int) string { return fmt.Sprintf("%s-%03d", prefix, n) }

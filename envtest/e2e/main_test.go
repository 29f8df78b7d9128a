package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// suite is the cluster that the tests share. They run one after the other, each
// with policies and namespaces of its own.
type suite struct {
	cp      *envtest.ControlPlane
	kube    kubernetes.Interface
	client  client.Client
	program string
	dir     string
	replica *install.Replica
	minor   int // 30 for Kubernetes 1.30

	waiting sync.Map // the tests that wait for their Deployments to be deleted
}

var shared *suite

// sharedFlags are those of the replica that the tests share.
var sharedFlags = []string{"--ca-settle=1s", "--ca-resync=500ms", "--cert-duration=1m"}

func TestMain(m *testing.M) {
	code, err := runSuite(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runSuite(m *testing.M) (code int, err error) {
	ctx := context.Background()
	ctrllog.SetLogger(logr.Discard()) // or controller-runtime prints a stack about it
	dir, err := os.MkdirTemp("", "shmkeeper-e2e-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program, err := install.Build(ctx, dir)
	if err != nil {
		return 1, err
	}
	cp, minor, err := startControlPlane(ctx)
	if err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := cp.Stop(); err == nil && stopErr != nil {
			code, err = 1, stopErr
		}
	}()
	kube, c, err := clients(cp.Config)
	if err != nil {
		return 1, err
	}
	if err := install.Apply(ctx, cp, "default"); err != nil {
		return 1, err
	}
	replica, err := install.StartReplica(ctx, cp, program, dir, "first", sharedFlags...)
	if err != nil {
		return 1, err
	}
	defer func() { _ = shared.replica.Kill() }()
	install.ServeReplicas(cp, replica)
	shared = &suite{cp: cp, kube: kube, client: c, program: program, dir: dir, replica: replica, minor: minor}
	if err := shared.waitTrusted(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// startControlPlane starts one of the release that is asked for, and returns its minor version.
func startControlPlane(ctx context.Context) (*envtest.ControlPlane, int, error) {
	programs, err := envtest.FindPrograms(ctx, os.Stderr)
	if err != nil {
		return nil, 0, err
	}
	minor, err := programs.Minor(ctx)
	if err != nil {
		return nil, 0, err
	}
	var options envtest.Options
	if minor >= 37 { // a program does not start with a gate that it does not know
		options.FeatureGates = map[string]bool{"InPlacePodVerticalScalingMemoryBackedVolumes": true}
	}
	cp, err := envtest.Start(ctx, options)
	return cp, minor, err
}

func clients(config *rest.Config) (kubernetes.Interface, client.Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, nil, err
		}
	}
	config = rest.CopyConfig(config)
	if config.WarningHandler == nil {
		config.WarningHandler = rest.NoWarnings{} // a test that looks at warnings has a handler
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	return kube, c, err
}

// waitTrusted waits until the API server can call the webhooks: it then refuses a
// policy for what only they know.
func (s *suite) waitTrusted(ctx context.Context) error {
	bad := newPolicy("bad", `{match: [{images: ["a["]}], sizing: {fixed: {size: 64Mi}}}`)
	return poll(ctx, time.Minute, func() error {
		err := s.client.Create(ctx, bad.DeepCopy(), client.DryRunAll)
		if err != nil && strings.Contains(err.Error(), "is not a glob") {
			return nil
		}
		return fmt.Errorf("the webhooks are not called yet: %w", err)
	})
}

// poll tries until there is no error, or returns the last one.
func poll(ctx context.Context, within time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// eventually fails the test with the last error if it does not go away.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	if err := poll(t.Context(), time.Minute, try); err != nil {
		t.Fatal(err)
	}
}

var names atomic.Int64

// namespace makes a namespace of a mode ("" for no label), ready for Pods.
func (s *suite) namespace(t *testing.T, mode string, labels map[string]string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("e2e-%d", names.Add(1)), Labels: map[string]string{}}}
	for k, v := range labels {
		ns.Labels[k] = v
	}
	if mode != "" {
		ns.Labels[v1alpha1.LabelMode] = mode
	}
	if err := s.client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		_, err := s.kube.CoreV1().ServiceAccounts(ns.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
	return ns.Name
}

// policies replaces all policies and waits until the new ones are in force.
func (s *suite) policies(t *testing.T, policies ...v1alpha1.SharedMemoryPolicy) {
	t.Helper()
	ctx := t.Context()
	var old v1alpha1.SharedMemoryPolicyList
	if err := s.client.List(ctx, &old); err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for i := range policies {
		wanted[policies[i].Name] = true
	}
	// First, as a replica learns of changes in their order: when it has accepted a new one, these are gone.
	for i := range old.Items {
		if !wanted[old.Items[i].Name] {
			if err := client.IgnoreNotFound(s.client.Delete(ctx, &old.Items[i])); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range policies {
		if err := s.apply(ctx, p.DeepCopy()); err != nil {
			t.Fatalf("policy %q: %v", p.Name, err)
		}
	}
	for name := range wanted {
		eventually(t, func() error { return s.accepted(ctx, name) })
	}
}

// apply creates a policy or changes it. The server may write its status meanwhile.
func (s *suite) apply(ctx context.Context, p *v1alpha1.SharedMemoryPolicy) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var live v1alpha1.SharedMemoryPolicy
		err := s.client.Get(ctx, client.ObjectKeyFromObject(p), &live)
		switch {
		case apierrors.IsNotFound(err):
			return s.client.Create(ctx, p)
		case err != nil:
			return err
		}
		live.Spec = p.Spec
		return s.client.Update(ctx, &live)
	})
}

func (s *suite) accepted(ctx context.Context, name string) error {
	var p v1alpha1.SharedMemoryPolicy
	if err := s.client.Get(ctx, client.ObjectKey{Name: name}, &p); err != nil {
		return err
	}
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionMatchConditionCurrent)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != p.Generation {
		return fmt.Errorf("policy %q is not in force, or its Pods are not sent: %+v", name, c)
	}
	return nil
}

// auditLog reads the API server's audit log on from where it was read last.
type auditLog struct {
	path   string
	offset int64
}

// newAuditLog returns one that leaves out what the log has already.
func newAuditLog(t *testing.T, path string) *auditLog {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return &auditLog{path: path, offset: info.Size()}
}

// lines returns the new ones. The first may be the end of one that was being written when the log was opened.
func (a *auditLog) lines() ([][]byte, error) {
	f, err := os.Open(filepath.Clean(a.path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(a.offset, 0); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(f); err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(text.Bytes(), '\n') + 1
	a.offset += int64(whole)
	return bytes.Split(bytes.TrimSpace(text.Bytes()[:whole]), []byte("\n")), nil
}

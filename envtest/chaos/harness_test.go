//go:build chaos && linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// harness is a control plane with two replicas of shmkeeper and the stream of Pods.
type harness struct {
	cp           *envtest.ControlPlane
	kube         kubernetes.Interface
	client       client.Client
	program, dir string
	certificates lives
	token        string // of an account that may read metrics

	replicas []*replica // those that are served
	started  int
	logs     []string // of all replicas so far

	ledger   *ledger
	stream   *stream
	checker  *checker
	baseline usage
	random   *rand.Rand
	unjudged time.Duration // in the current scenario
}

// lives are how long certificates are valid.
type lives struct{ leaf, settle, resync time.Duration }

// ca returns the shortest life of a CA that the server accepts.
func (l lives) ca() time.Duration { return 3 * (l.leaf + l.settle + l.resync) }

func (l lives) flags() []string {
	return []string{
		"--cert-duration=" + l.leaf.String(), "--ca-duration=" + l.ca().String(),
		"--ca-settle=" + l.settle.String(), "--ca-resync=" + l.resync.String(),
	}
}

// newHarness starts a control plane and the checker; nothing of shmkeeper but its kind of policies
// is there yet. It ends with the test.
func newHarness(t *testing.T, certificates lives) *harness {
	t.Helper()
	ctx := t.Context()
	h := &harness{dir: t.TempDir(), certificates: certificates, ledger: &ledger{}}
	var err error
	must := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h.program, err = install.Build(ctx, h.dir)
	must()
	// What the manifests set for the shipped memory limit.
	t.Setenv("GOMEMLIMIT", "256000000")
	h.cp, err = envtest.Start(ctx, envtest.Options{AuditPolicy: envtest.AuditNone, LogDir: os.Getenv("SHMKEEPER_CHAOS_LOGS")})
	must()
	t.Cleanup(func() {
		if err := h.cp.Stop(); err != nil {
			t.Error(err)
		}
	})
	config := rest.CopyConfig(h.cp.Config)
	config.WarningHandler = rest.NoWarnings{}
	config.QPS = -1
	scheme := runtime.NewScheme()
	err = errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
	must()
	h.kube, err = kubernetes.NewForConfig(config)
	must()
	h.client, err = client.New(config, client.Options{Scheme: scheme})
	must()
	h.createNamespaces(t)
	h.stream = newStream(h.kube)
	err = install.Apply(ctx, h.cp, "crd")
	must()
	_, err = h.cp.Kubectl(ctx, "wait", "--for=condition=Established", "crd/sharedmemorypolicies.shmkeeper.dev")
	must()
	h.checker, err = newChecker(ctx, config, scheme, h.stream, h.ledger)
	must()
	return h
}

// begin installs shmkeeper, starts the replicas and the stream, and measures what the replicas
// hold.
func (h *harness) begin(t *testing.T) {
	t.Helper()
	err := install.Apply(t.Context(), h.cp, "default")
	if err == nil {
		h.token, err = h.metricsToken(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		h.addReplica(t)
	}
	t.Cleanup(func() {
		for _, r := range h.replicas {
			_ = r.Kill()
		}
	})
	for _, p := range []v1alpha1.SharedMemoryPolicy{steadyPolicy(), changingPolicy(changingSize)} {
		eventually(t, func() error { return h.write(t.Context(), &p) }) // the API server has to trust the webhooks first
		h.waitInForce(t, p.Name)
	}
	begun := time.Now()
	h.stream.resume()
	t.Cleanup(h.stream.pause)
	h.waitRecovered(t, begun)
	h.stream.pause()
	h.disconnect()
	h.baseline = h.settledUsage(t)
	t.Logf("at rest a replica holds at most %s", h.baseline)
	h.serve()
	h.stream.resume()
}

func (h *harness) createNamespaces(t *testing.T) {
	t.Helper()
	for _, k := range kinds {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: k.namespace(), Labels: map[string]string{}}}
		if k.mode != "" {
			ns.Labels[v1alpha1.LabelMode] = k.mode
		}
		if err := client.IgnoreAlreadyExists(h.client.Create(t.Context(), ns)); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			_, err := h.kube.CoreV1().ServiceAccounts(ns.Name).Get(t.Context(), "default", metav1.GetOptions{})
			return err
		})
	}
}

// metricsToken returns a token of an account that may read metrics.
func (h *harness) metricsToken(ctx context.Context) (string, error) {
	const account = "default"
	namespace := kinds[0].namespace()
	if _, err := h.cp.Kubectl(ctx, "create", "clusterrolebinding", "chaos-metrics", "--clusterrole=shmkeeper-metrics-reader",
		"--serviceaccount="+namespace+":"+account); err != nil {
		return "", err
	}
	hours := int64(12 * time.Hour / time.Second) // longer than any soak
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hours}}
	answer, err := h.kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return answer.Status.Token, nil
}

// addReplica starts a replica and has it served beside the others.
func (h *harness) addReplica(t *testing.T, more ...string) *replica {
	t.Helper()
	r, err := h.startReplica(t.Context(), more...)
	if err != nil {
		t.Fatal(err)
	}
	h.replicas = append(h.replicas, r)
	h.serve()
	return r
}

// dropReplica takes a replica out of the Service, as a kubelet's failed probe does.
func (h *harness) dropReplica(gone *replica) {
	left := make([]*replica, 0, len(h.replicas))
	for _, r := range h.replicas {
		if r != gone {
			left = append(left, r)
		}
	}
	h.replicas = left
	if len(left) > 0 { // with none the connections would be cut, which only a crash does
		h.serve()
	}
}

// serve has the API server reach the replicas.
func (h *harness) serve() {
	served := make([]*install.Replica, len(h.replicas))
	for i, r := range h.replicas {
		served[i] = r.Replica
	}
	install.ServeReplicas(h.cp, served...)
}

// disconnect cuts the API server's connections to the replicas.
func (h *harness) disconnect() { install.ServeReplicas(h.cp) }

// reconnect has the API server open new connections to the replicas, between two Pods.
func (h *harness) reconnect() {
	h.stream.pause()
	h.disconnect()
	h.serve()
	h.stream.resume()
}

// failAt has the API server reach nobody but one replica until a call of it has failed. With others to connect to, it may never
// call that one.
func (h *harness) failAt(t *testing.T, r *replica) {
	t.Helper()
	before, err := h.apiServerMetrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.stream.pause()
	h.disconnect()
	install.ServeReplicas(h.cp, r.Replica)
	h.stream.resume()
	eventually(t, func() error { return anyFailed(t, h, beginning{apiServer: before}) })
	h.serve()
}

// write creates a policy or changes it, and notes in the ledger what it demands.
func (h *harness) write(ctx context.Context, p *v1alpha1.SharedMemoryPolicy) error {
	n, err := needOf(p)
	if err != nil {
		return err
	}
	h.ledger.changing(p.Name, time.Now(), n)
	live := &v1alpha1.SharedMemoryPolicy{}
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error { // the server may write its status meanwhile
		*live = v1alpha1.SharedMemoryPolicy{}
		err := h.client.Get(ctx, client.ObjectKeyFromObject(p), live)
		if apierrors.IsNotFound(err) {
			live = p.DeepCopy()
			return h.client.Create(ctx, live)
		}
		if err != nil {
			return err
		}
		live.Spec = p.Spec
		return h.client.Update(ctx, live)
	}); err != nil {
		return err
	}
	h.ledger.written(live, time.Now())
	return nil
}

// waitInForce waits until the status of a policy says that its current version is in force.
func (h *harness) waitInForce(t *testing.T, name string) {
	t.Helper()
	eventually(t, func() error {
		p := &v1alpha1.SharedMemoryPolicy{}
		if err := h.client.Get(t.Context(), client.ObjectKey{Name: name}, p); err != nil {
			return err
		}
		if !inForce(p) {
			return fmt.Errorf("policy %q is not in force: %+v", name, p.Status.Conditions)
		}
		return nil
	})
}

// waitLed waits until one of the replicas leads.
func (h *harness) waitLed(t *testing.T) {
	t.Helper()
	eventually(t, func() error {
		leading := 0.0
		for _, r := range h.replicas {
			now, err := h.metrics(t.Context(), r)
			if err != nil {
				return err
			}
			leading += now.sum("leader_election_master_status")
		}
		if leading != 1 {
			return fmt.Errorf("%g replicas lead", leading)
		}
		return nil
	})
}

// patience bounds every wait for a condition: a leader that crashed is replaced within 20 s, and a
// watch that failed, as by "too many requests", is tried again within 30 s.
const patience = 2 * time.Minute

// poll tries until there is no error, or returns the last one.
func poll(ctx context.Context, within time.Duration, try func() error) error {
	for deadline := time.Now().Add(within); ; {
		err := try()
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond) // between two tries
	}
}

// eventually fails the test with the last error if it does not go away.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	if err := poll(t.Context(), patience, try); err != nil {
		t.Fatal(err)
	}
}

// logged returns what the replicas have logged since a mark was set.
func (h *harness) logged(since marks) (string, error) {
	out := ""
	for _, path := range h.logs {
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return "", err
		}
		out += string(text[since[path]:])
	}
	return out, nil
}

// marks are how long the logs of replicas were.
type marks map[string]int

func (h *harness) mark(t *testing.T) marks {
	t.Helper()
	out := marks{}
	for _, path := range h.logs {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = int(info.Size())
	}
	return out
}

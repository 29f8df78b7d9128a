package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// longRestarts reports whether to restart as often as the project asks of itself, with the flags
// that ship, which takes minutes: make restarts.
func longRestarts() bool { return os.Getenv("SHMKEEPER_LONG") != "" }

// No Pod is rejected, and none is admitted without its volume, while replicas are rolled out under
// load.
func TestRestarts_NoPodRejected(t *testing.T) {
	shared.policies(t, newPolicy("fixed", "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 128Mi}}}"))
	ns := shared.namespace(t, "enforce", nil)
	shared.serve(t, shared.replica)
	waitSized(t, ns)

	ctx, cancel := context.WithCancel(t.Context())
	var admitted atomic.Int64
	var clients sync.WaitGroup
	defer func() { cancel(); clients.Wait() }()
	count, restarts, flags := 16, 3, []string{"--shutdown-delay=5s"}
	if longRestarts() {
		count, restarts, flags = 40, 20, shippedFlags(t)
	}
	for i := range count {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				pod := policytest.NewPod(fmt.Sprintf("pod-%d-%d", i, n), policytest.Labels(map[string]string{"app": "web"}),
					policytest.WithContainer("web", "web"))
				created, err := shared.kube.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
				switch {
				case err != nil:
					t.Errorf("%s: %v", pod.Name, err)
				case !hasVolume(created):
					t.Errorf("%s was admitted without its volume", created.Name)
				default:
					admitted.Add(1)
				}
			}
		})
	}
	begun := time.Now()
	rollOut(t, restarts, flags)
	took := time.Since(begun)
	cancel()
	clients.Wait()
	t.Logf("%d restarts in %s under %d clients, with the flags %q: %d Pods admitted with their volume", restarts, took.Round(time.Second), count, flags, admitted.Load())
	if t.Failed() {
		t.Logf("the API server says:\n%s", shared.failedCalls(t))
	}
	if admitted.Load() == 0 {
		t.Error("no Pod was admitted, so nothing was shown")
	}
}

// waitSized waits until Pods of a namespace that are labelled app=web get the volume.
func waitSized(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, func() error {
		created, err := shared.kube.CoreV1().Pods(namespace).Create(t.Context(), webPod("first"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil && !hasVolume(created) {
			err = errors.New("it was admitted without its volume")
		}
		return err
	})
}

func hasVolume(pod *corev1.Pod) bool {
	mounted := ""
	for _, m := range pod.Spec.Containers[0].VolumeMounts {
		if m.MountPath == "/dev/shm" {
			mounted = m.Name
		}
	}
	for _, v := range pod.Spec.Volumes {
		if e := v.EmptyDir; v.Name == mounted && e != nil && e.Medium == corev1.StorageMediumMemory && e.SizeLimit != nil {
			return e.SizeLimit.String() == "128Mi"
		}
	}
	return false
}

// shippedFlags returns those that the Deployment gives the server, without where it listens. The shutdown delay, which replicas
// of tests have shorter, is the program's own unless the Deployment gives another.
func shippedFlags(t *testing.T) []string {
	t.Helper()
	help, err := exec.CommandContext(t.Context(), shared.program, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, help)
	}
	delay := regexp.MustCompile(`--shutdown-delay duration .*\(default (\S+)\)`).FindSubmatch(help)
	if delay == nil {
		t.Fatalf("--help gives no default of --shutdown-delay:\n%s", help)
	}
	var deployment appsv1.Deployment
	if err := shared.client.Get(t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: "shmkeeper"}, &deployment); err != nil {
		t.Fatal(err)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	var values []string
	for _, e := range container.Env {
		values = append(values, "$("+e.Name+")", e.Value)
	}
	listens := regexp.MustCompile(`^--(namespace|webhook-port|metrics-bind-address|health-probe-bind-address)=`)
	flags := []string{"--shutdown-delay=" + string(delay[1])}
	for _, arg := range container.Args {
		if !listens.MatchString(arg) {
			flags = append(flags, strings.NewReplacer(values...).Replace(arg))
		}
	}
	return flags
}

// rollOut replaces one of two replicas after the other, as a Deployment and a Service do: the new one
// is ready and served before the old one gets SIGTERM, and the old one is sent requests until the
// Service has seen that it is not ready. The flags say how long it must still answer them.
func rollOut(t *testing.T, restarts int, flags []string) {
	t.Helper()
	delay := shutdownDelay(t, flags)
	old := shared.startReplica(t, "rolling-0", flags)
	install.ServeReplicas(shared.cp, shared.replica, old)
	for n := range restarts {
		next := shared.startReplica(t, fmt.Sprintf("rolling-%d", n+1), flags)
		install.ServeReplicas(shared.cp, shared.replica, old, next)
		stopServed(t, old, delay, shared.replica, next)
		old = next
	}
	stopServed(t, old, delay, shared.replica)
}

func (s *suite) startReplica(t *testing.T, name string, flags []string) *install.Replica {
	t.Helper()
	r, err := install.StartReplica(t.Context(), s.cp, s.program, s.dir, name, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Kill() })
	return r
}

// shutdownDelay returns the last one of some flags, which is the one that counts.
func shutdownDelay(t *testing.T, flags []string) (delay time.Duration) {
	t.Helper()
	for _, flag := range flags {
		text, found := strings.CutPrefix(flag, "--shutdown-delay=")
		if !found {
			continue
		}
		var err error
		if delay, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	return delay
}

// stopServed stops a replica that the Service drops, in favor of others, only when it says that it is
// draining. It must run on for the delay: TestRestarts_NoPodRejected sends it requests meanwhile.
func stopServed(t *testing.T, r *install.Replica, delay time.Duration, others ...*install.Replica) {
	t.Helper()
	begun := time.Now()
	if err := r.Terminate(); err != nil {
		t.Fatal(err)
	}
	said := ""
	eventually(t, func() error {
		ready, answer := r.Ready(t.Context())
		if ready {
			return errors.New("a replica that was told to stop is still ready")
		}
		said = answer
		return nil
	})
	if !strings.Contains(said, "[-]draining failed") {
		t.Errorf("a replica that was told to stop ended without saying that it is draining: %q", said)
	}
	install.ServeReplicas(shared.cp, others...)
	if err := r.Wait(); err != nil {
		t.Errorf("a replica did not drain: %v", err)
	}
	if took := time.Since(begun); took < delay {
		t.Errorf("a replica ended %s after SIGTERM, not after %s or more", took, delay)
	}
}

// failedCalls returns what the API server has logged of webhooks that it could not call.
func (s *suite) failedCalls(t *testing.T) string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(filepath.Dir(s.cp.AuditLog), "kube-apiserver.log"))
	if err != nil {
		t.Error(err)
	}
	var failed []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "ailed calling webhook") {
			failed = append(failed, line)
		}
	}
	return strings.Join(failed[max(0, len(failed)-20):], "")
}

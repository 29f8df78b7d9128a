package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// restartsFor returns how long Pods are created while replicas restart: a minute with
// SHMKEEPER_LONG=1, which is what the project asks of itself, and less by default.
func restartsFor() time.Duration {
	if os.Getenv("SHMKEEPER_LONG") != "" {
		return time.Minute
	}
	return 5 * time.Second
}

func TestRestarts_NoPodWithoutItsVolume(t *testing.T) {
	shared.policies(t, newPolicy("fixed", "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 128Mi}}}"))
	ns := shared.namespace(t, "enforce", nil)
	shared.serve(t, shared.replica)
	waitSized(t, ns)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var admitted, refused atomic.Int64
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				pod := policytest.NewPod(fmt.Sprintf("pod-%d-%d", i, n), policytest.Labels(map[string]string{"app": "web"}),
					policytest.WithContainer("web", "web"))
				created, err := shared.kube.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{})
				switch {
				case err == nil && hasVolume(created):
					admitted.Add(1)
				case err == nil:
					t.Errorf("%s was admitted without its volume", created.Name)
				case strings.Contains(err.Error(), "shmkeeper.dev"):
					refused.Add(1)
					t.Logf("refused: %v", err)
				default:
					t.Errorf("%s: %v", pod.Name, err)
				}
			}
		})
	}
	restarts := restartInTurn(t)
	cancel()
	clients.Wait()
	t.Logf("%d restarts, %d Pods admitted with their volume, %d refused with a reason", restarts, admitted.Load(), refused.Load())
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

// restartInTurn replaces one of two replicas after the other, as a rollout does: the
// new one is ready and served before the old one is told to stop. It does so at
// least twice.
func restartInTurn(t *testing.T) (restarts int) {
	t.Helper()
	old, err := install.StartReplica(t.Context(), shared.cp, shared.program, shared.dir, "rolling-0")
	if err != nil {
		t.Error(err)
		return 0
	}
	install.ServeReplicas(shared.cp, shared.replica, old)
	for begin := time.Now(); restarts < 2 || time.Since(begin) < restartsFor(); {
		restarts++
		next, err := install.StartReplica(t.Context(), shared.cp, shared.program, shared.dir, fmt.Sprintf("rolling-%d", restarts))
		if err != nil {
			t.Error(err)
			return restarts
		}
		install.ServeReplicas(shared.cp, shared.replica, next)
		if err := old.Stop(); err != nil {
			t.Errorf("a replica did not drain: %v", err)
		}
		old = next
	}
	install.ServeReplicas(shared.cp, shared.replica)
	if err := old.Stop(); err != nil {
		t.Errorf("a replica did not drain: %v", err)
	}
	return restarts
}

package e2e

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// BenchmarkServerMemory reports the resident memory of a server in a small cluster
// with the policy library, and with 10,000 namespaces, each with a quota of memory,
// and 1,000 policies; and of
// that the part that is its own, without the pages of the program's file, which
// replicas on one node share and the kernel can drop:
//
//	go test ./envtest/e2e -run '^$' -bench ServerMemory -benchtime 1x -timeout 30m
func BenchmarkServerMemory(b *testing.B) {
	const namespaces, policies = 10_000, 1_000
	s := ownSuite(b, envtest.Options{WithoutControllerManager: true, AuditPolicy: envtest.AuditNone})
	c := s.client
	pid := startWithLibrary(b, s.cp).Pid()
	settle(b, pid) // what starting needed is given back
	b.ReportMetric(statusMiB(b, pid, "VmRSS"), "MiB-idle")
	b.ReportMetric(statusMiB(b, pid, "RssAnon"), "MiB-idle-own")

	createNamespaces(b, c, namespaces)
	createPolicies(b, c, policies)
	if err := poll(b.Context(), 5*time.Minute, func() error {
		return s.accepted(context.WithoutCancel(b.Context()), fmt.Sprintf("policy-%04d", policies-1))
	}); err != nil {
		b.Fatal(err)
	}
	debug.FreeOSMemory() // ours, so that the machine has room
	settle(b, pid)
	b.ReportMetric(statusMiB(b, pid, "VmRSS"), "MiB-large")
	b.ReportMetric(statusMiB(b, pid, "RssAnon"), "MiB-large-own")
}

// startWithLibrary installs shmkeeper with one server and applies the policy library.
func startWithLibrary(b *testing.B, cp *envtest.ControlPlane) *install.Replica {
	b.Helper()
	ctx := b.Context()
	if err := install.Apply(ctx, cp, "default"); err != nil {
		b.Fatal(err)
	}
	if _, err := cp.Kubectl(ctx, "wait", "--for=condition=Established", "crd/sharedmemorypolicies.shmkeeper.dev"); err != nil {
		b.Fatal(err)
	}
	// The limit of the manifests, as their Deployment gives it to the program.
	b.Setenv("GOMEMLIMIT", "256000000")
	replica, err := install.StartReplica(ctx, cp, shared.program, b.TempDir(), "memory")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = replica.Kill() })
	install.ServeReplicas(cp, replica)
	if err := poll(ctx, time.Minute, func() error {
		_, err := cp.Kubectl(ctx, "apply", "-k", mustRoot(b)+"/manifests/policies")
		return err
	}); err != nil {
		b.Fatal(err)
	}
	return replica
}

// inParallel calls create for each number below n.
func inParallel(b testing.TB, n int, create func(i int) error) {
	b.Helper()
	workqueue.ParallelizeUntil(b.Context(), 16, n, func(i int) {
		if err := create(i); err != nil {
			b.Error(err)
		}
	})
}

// createNamespaces creates namespaces in mode enforce, each with a quota of memory.
func createNamespaces(b *testing.B, c client.Client, n int) {
	b.Helper()
	ctx := b.Context()
	inParallel(b, n, func(i int) error {
		return c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name:   fmt.Sprintf("tenant-%05d", i),
			Labels: map[string]string{v1alpha1.LabelMode: "enforce", "team": fmt.Sprintf("team-%d", i%100)},
		}})
	})
	inParallel(b, n, func(i int) error {
		memory := corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("64Gi"), corev1.ResourceRequestsMemory: resource.MustParse("16Gi")}
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Name: "memory", Namespace: fmt.Sprintf("tenant-%05d", i)},
			Spec:       corev1.ResourceQuotaSpec{Hard: memory},
		}
		if err := c.Create(ctx, quota); err != nil {
			return err
		}
		// There is no controller that would.
		quota.Status = corev1.ResourceQuotaStatus{Hard: memory, Used: memory}
		return c.Status().Update(ctx, quota)
	})
}

// createPolicies creates policies that each match a label of their own.
func createPolicies(b *testing.B, c client.Client, n int) {
	b.Helper()
	base := policytest.Library(b, "authentik-proxy-outposts")
	inParallel(b, n, func(i int) error {
		p := base.DeepCopy()
		p.Name = fmt.Sprintf("policy-%04d", i)
		p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": p.Name}}}}
		return c.Create(b.Context(), p)
	})
}

// settle waits until a process has given back the memory that it no longer needs: until its own
// part has not shrunk by a MiB within ten seconds, in which Go's runtime returns pages.
func settle(b testing.TB, pid int) {
	b.Helper()
	const quiet = 10 * time.Second
	least, since := statusMiB(b, pid, "RssAnon"), time.Now()
	if err := poll(b.Context(), 5*time.Minute, func() error {
		if now := statusMiB(b, pid, "RssAnon"); now < least-1 {
			least, since = now, time.Now()
		}
		if time.Since(since) < quiet {
			return fmt.Errorf("the server still gives memory back: it has %.0f MiB of its own", least)
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}

func mustRoot(b testing.TB) string {
	root, err := envtest.Root(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return root
}

// statusMiB returns a field of a process's /proc/PID/status that is given in kB.
func statusMiB(b testing.TB, pid int, field string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatalf("the status of process %d has no %s", pid, field)
	return 0
}

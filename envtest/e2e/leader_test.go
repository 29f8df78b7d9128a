package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/internal/policystatus"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestLeader_LostLease(t *testing.T) {
	s := shared
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	other := s.extraReplica(t, "candidate")
	s.serve(t, s.replica, other)
	if err := s.waitTrusted(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.leader(t)
	if before == "" {
		t.Fatal("nobody leads")
	}

	version := s.version(t, "web")
	begun, stop := time.Now(), s.admitting(t, ns)
	// Somebody takes the lease, and never renews it.
	const thief = "thief"
	s.editLease(t, func(spec map[string]any) {
		spec["holderIdentity"], spec["renewTime"] = thief, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	})
	eventually(t, func() error {
		if now := s.leader(t); now == thief || now == "" {
			return fmt.Errorf("the lease is held by %q", now)
		}
		return nil
	})
	t.Logf("led by %q, stolen, and after %s led by %q", before, time.Since(begun).Round(time.Second), s.leader(t))

	// The current leader writes the status, and has nothing to say of what was there.
	later := newPolicy("later", "{match: [{podSelector: {matchLabels: {app: later}}}], sizing: {fixed: {size: 64Mi}}}")
	if err := s.client.Create(t.Context(), &later); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return s.accepted(t.Context(), later.Name) })
	if now := s.version(t, "web"); now != version {
		t.Errorf("the status of the policy was written at %s before the change of leaders, and again at %s", version, now)
	}
	if admitted := stop(); admitted == 0 {
		t.Error("no Pod was admitted, so nothing was shown")
	}
	for _, r := range []*install.Replica{s.replica, other} {
		if ready, answer := r.Ready(t.Context()); !ready {
			t.Errorf("a replica has ended, or is not ready: %s", answer)
		}
	}
	if text := logOf(t, s.replica, other); !strings.Contains(text, `"msg":"This replica no longer leads"`) {
		t.Errorf("no replica tells that it lost the lease:\n%s", text)
	}
	wantNoErrors(t, other)
}

func TestLeader_Stopped(t *testing.T) {
	s := shared
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	next := s.extraReplica(t, "successor")
	s.serve(t, next)
	if err := s.waitTrusted(t.Context()); err != nil {
		t.Fatal(err)
	}

	// The first replica hangs until its lease has run out. It does not know that when it goes on.
	signal := func(which syscall.Signal) {
		if err := syscall.Kill(s.replica.Pid(), which); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { signal(syscall.SIGCONT) })
	signal(syscall.SIGSTOP)
	stop := s.admitting(t, ns)
	eventually(t, func() error {
		if strings.Contains(logOf(t, next), `"msg":"This replica leads"`) {
			return nil
		}
		return fmt.Errorf("the second replica does not lead: the lease is held by %q", s.leader(t))
	})
	signal(syscall.SIGCONT)
	if admitted := stop(); admitted == 0 {
		t.Error("no Pod was admitted while the leader hung, so nothing was shown")
	}
	holder := s.leader(t)

	install.ServeReplicas(s.cp) // or a connection to the one that stops would be used again
	install.ServeReplicas(s.cp, s.replica)
	if err := next.Stop(); err != nil {
		t.Errorf("the leader did not end well: %v", err)
	}
	wantNoErrors(t, next)
	// It has given up the lease, so that the other need not wait for its end.
	if err := poll(t.Context(), 8*time.Second, func() error {
		if now := s.leader(t); now == holder || now == "" {
			return fmt.Errorf("the lease is held by %q", now)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	s.policies(t, newPolicy("after", "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 64Mi}}}"))
}

// extraReplica starts another replica, which runs until the end of the test.
func (s *suite) extraReplica(t *testing.T, name string) *install.Replica {
	t.Helper()
	r, err := install.StartReplica(t.Context(), s.cp, s.program, s.dir, name, sharedFlags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Kill() })
	return r
}

// leader returns the holder of the lease.
func (s *suite) leader(t *testing.T) string {
	t.Helper()
	lease, err := s.kube.CoordinationV1().Leases(install.Namespace).Get(t.Context(), "shmkeeper", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// version returns when the status of a policy, but for what the audit counts, was written last.
func (s *suite) version(t *testing.T, policy string) string {
	t.Helper()
	var p v1alpha1.SharedMemoryPolicy
	if err := s.client.Get(t.Context(), client.ObjectKey{Name: policy}, &p); err != nil {
		t.Fatal(err)
	}
	for _, entry := range p.ManagedFields {
		if entry.Manager == policystatus.FieldManager && entry.Time != nil {
			return entry.Time.String()
		}
	}
	t.Fatalf("nobody has written the status of policy %q", policy)
	return ""
}

func (s *suite) editLease(t *testing.T, edit func(spec map[string]any)) {
	t.Helper()
	spec := map[string]any{}
	edit(spec)
	patch, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.kube.CoordinationV1().Leases(install.Namespace).Patch(t.Context(), "shmkeeper", "application/merge-patch+json", patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// admitting creates Pods that webPolicy changes, all the time, until the result is
// called, which says how many there were. One that is refused, or that has no volume,
// fails the test.
func (s *suite) admitting(t *testing.T, namespace string) (stop func() int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	whole := context.WithoutCancel(ctx) // a request that has begun is answered
	var admitted atomic.Int64
	var clients sync.WaitGroup
	for i := range 2 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				pod := webPod(fmt.Sprintf("pod-%d-%d", i, n))
				created, err := s.kube.CoreV1().Pods(namespace).Create(whole, pod, metav1.CreateOptions{})
				if err == nil {
					err = sized(created, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest))
				}
				if err != nil {
					t.Errorf("%s: %v", pod.Name, err)
					return
				}
				admitted.Add(1)
				time.Sleep(20 * time.Millisecond) // the client's rate: as fast as it can would be some 10,000 Pods by the time a lease has run out
			}
		})
	}
	var once sync.Once
	stop = func() int64 {
		once.Do(func() {
			cancel()
			clients.Wait()
			t.Logf("%d Pods were admitted with their volume", admitted.Load())
			background := metav1.DeletePropagationBackground
			if err := s.kube.CoreV1().Pods(namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{PropagationPolicy: &background}, metav1.ListOptions{}); err != nil {
				t.Error(err)
			}
		})
		return admitted.Load()
	}
	t.Cleanup(func() {
		cancel()
		clients.Wait()
	})
	return stop
}

// logOf returns what replicas have logged so far.
func logOf(t *testing.T, replicas ...*install.Replica) string {
	t.Helper()
	var out strings.Builder
	for _, r := range replicas {
		text, err := os.ReadFile(r.Log)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	return out.String()
}

// wantNoErrors wants a replica to have logged nothing as an error.
func wantNoErrors(t *testing.T, r *install.Replica) {
	t.Helper()
	for line := range strings.Lines(logOf(t, r)) {
		if strings.Contains(line, `"level":"ERROR"`) || strings.HasPrefix(line, "error: ") {
			t.Errorf("the replica logged: %s", line)
		}
	}
}

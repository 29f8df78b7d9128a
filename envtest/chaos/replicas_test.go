//go:build chaos && linux

package chaos

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// What happens to the server's own processes.
var replicaScenarios = []scenario{
	{
		name: "a replica is killed", allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) { h.kill(t, h.anyReplica()); h.addReplica(t) },
		signs: []sign{logs(`"msg":"Starting"`)},
	},
	{
		name: "all replicas are killed", allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			h.kill(t, h.replicas...)
			h.waitNotCalled(t, 10)
			h.addReplica(t)
			h.addReplica(t)
		},
		signs: []sign{logs(`"msg":"Starting"`), enforceFailed, mutateFailed, reportFailed},
	},
	{
		name: "all replicas are replaced, as in a rollout",
		fault: func(t *testing.T, h *harness) {
			for range 2 {
				h.roll(t)
			}
		},
		signs: []sign{logs(`"msg":"Draining: `)},
	},
	{
		name: "a replica hangs until its probe fails", long: true, allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			r := h.anyReplica()
			h.signal(t, syscall.SIGSTOP, r)
			h.failAt(t, r)
			h.waitProbesFail(t, r)
			h.dropReplica(r)
			h.waitRecovered(t, time.Now())
			h.signal(t, syscall.SIGCONT, r)
			h.waitReady(t, r)
			h.replicas = append(h.replicas, r)
			h.serve()
		},
		signs: []sign{anyFailed},
	},
	{
		name: "a replica hangs, a policy changes, and it wakes", long: true, led: true, allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			r := h.nonLeader(t)
			h.signal(t, syscall.SIGSTOP, r)
			h.waitProbesFail(t, r)
			h.dropReplica(r)
			h.change(t, "160Mi")
			h.signal(t, syscall.SIGCONT, r)
			h.replicas = append(h.replicas, r)
			h.serve()
			h.waitCreated(t, changing, time.Now(), 20)
			h.change(t, changingSize)
		},
	},
	{
		name: "all replicas hang", allowance: allowance{rejects: true},
		fault: func(t *testing.T, h *harness) {
			h.signal(t, syscall.SIGSTOP, h.replicas...)
			h.waitNotCalled(t, 10)
			h.signal(t, syscall.SIGCONT, h.replicas...)
		},
		signs: []sign{enforceFailed, mutateFailed, reportFailed},
	},
}

// anyReplica returns one that is served, at random.
func (h *harness) anyReplica() *replica { return h.replicas[h.random.IntN(len(h.replicas))] }

// nonLeader returns a replica that does not lead.
func (h *harness) nonLeader(t *testing.T) (found *replica) {
	t.Helper()
	eventually(t, func() error {
		for _, r := range h.replicas {
			now, err := h.metrics(t.Context(), r)
			if err != nil {
				return err
			}
			if now.sum("leader_election_master_status") == 0 {
				found = r
				return nil
			}
		}
		return fmt.Errorf("all of %d replicas lead", len(h.replicas))
	})
	return found
}

// kill ends replicas at once. The Service drops them, unless none is left.
func (h *harness) kill(t *testing.T, replicas ...*replica) {
	t.Helper()
	for _, r := range append([]*replica(nil), replicas...) {
		if err := r.Kill(); err != nil {
			t.Fatal(err)
		}
		h.dropReplica(r)
	}
}

// roll replaces every replica in turn: the new one is served before the old one is told to end.
func (h *harness) roll(t *testing.T, more ...string) {
	t.Helper()
	for _, old := range append([]*replica(nil), h.replicas...) {
		h.addReplica(t, more...)
		h.dropReplica(old)
		if err := old.Stop(); err != nil {
			t.Fatalf("%s did not drain: %v", old.name, err)
		}
	}
}

// signal sends a signal to replicas. Those that are stopped go on at the end of the test.
func (h *harness) signal(t *testing.T, which syscall.Signal, replicas ...*replica) {
	t.Helper()
	for _, r := range replicas {
		if err := r.Signal(which); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Signal(syscall.SIGCONT) }) // it may be gone
	}
}

// waitNotCalled waits until creations have failed because shmkeeper could not be called.
func (h *harness) waitNotCalled(t *testing.T, n int) {
	t.Helper()
	begin := time.Now()
	eventually(t, func() error {
		got := 0
		creations := h.stream.since(begin)
		for i := range creations {
			if creations[i].outcome == uncalled {
				got++
			}
		}
		if got < n {
			return fmt.Errorf("only %d of %d creations failed", got, len(creations))
		}
		return nil
	})
}

// waitProbesFail waits until three probes in a row have failed, each after the 2 s of the manifests,
// which is when a kubelet has the Service drop a Pod.
func (h *harness) waitProbesFail(t *testing.T, r *replica) {
	t.Helper()
	failures := 0
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if ready, _ := r.Ready(ctx); ready {
			failures = 0
		} else {
			failures++
		}
		if failures < 3 {
			return fmt.Errorf("%d probes of %s have failed", failures, r.name)
		}
		return nil
	})
}

// waitReady waits until a replica says that it is ready.
func (h *harness) waitReady(t *testing.T, r *replica) {
	t.Helper()
	eventually(t, func() error {
		if ready, answer := r.Ready(t.Context()); !ready {
			return fmt.Errorf("%s is not ready: %s", r.name, answer)
		}
		return nil
	})
}

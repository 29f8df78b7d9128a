//go:build chaos && linux

package chaos

import (
	"syscall"
	"testing"
	"time"
)

// What happens to the control plane. Nothing is created while it is away, but nothing may slip
// through when it comes back.
var controlPlaneScenarios = []scenario{
	{
		name: "the API server is killed and restarts", long: true, led: true, allowance: allowance{rejects: true, outage: true},
		fault: func(t *testing.T, h *harness) { h.restart(t, "kube-apiserver") },
		signs: []sign{watchesAgain},
	},
	{
		name: "etcd is killed and restarts", allowance: allowance{rejects: true, outage: true},
		fault: func(t *testing.T, h *harness) { h.restart(t, "etcd") },
	},
	{
		name: "etcd is silent for ten seconds", long: true, allowance: allowance{rejects: true, outage: true},
		fault: func(t *testing.T, h *harness) {
			h.signalProgram(t, "etcd", syscall.SIGSTOP)
			time.Sleep(10 * time.Second) // the scenario itself
			h.signalProgram(t, "etcd", syscall.SIGCONT)
		},
	},
}

func (h *harness) restart(t *testing.T, program string) {
	t.Helper()
	if err := h.cp.Restart(t.Context(), program); err != nil {
		t.Fatal(err)
	}
}

// signalProgram sends a signal to a program of the control plane. One that is stopped goes on at
// the end of the test.
func (h *harness) signalProgram(t *testing.T, program string, which syscall.Signal) {
	t.Helper()
	if err := h.cp.Signal(program, which); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.cp.Signal(program, syscall.SIGCONT) }) // it may go on already
}

// watchesAgain changes a policy, and wants the status to follow, which the leader writes: the watches work again.
func watchesAgain(t *testing.T, h *harness, _ beginning) error {
	h.change(t, "112Mi")
	h.change(t, changingSize)
	return nil
}

package envtest

import (
	"context"
	"fmt"
	"os"

	"k8s.io/client-go/kubernetes"
)

// Signal sends a signal to a program of the control plane, such as "etcd" or "kube-apiserver". A program that is stopped (SIGSTOP) keeps its
// connections and answers nothing.
func (cp *ControlPlane) Signal(program string, signal os.Signal) error {
	p, err := cp.program(program)
	if err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("%s: %s: %w", program, signal, err)
	}
	return nil
}

// Restart kills a program of the control plane, starts it again as it was, and returns when the API server is ready. What etcd has stored stays.
// Only one program may be restarted at a time.
func (cp *ControlPlane) Restart(ctx context.Context, program string) error {
	p, err := cp.program(program)
	if err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return err
	}
	again, err := startProcess(p.command)
	if err != nil {
		return err
	}
	*p = *again
	client, err := kubernetes.NewForConfig(cp.Config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return cp.wait(ctx, program, func() error { return ready(ctx, client) })
}

func (cp *ControlPlane) program(name string) (*process, error) {
	for _, p := range cp.processes {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%q is not a program of this control plane: name one that Start or RunProgram has started", name)
}

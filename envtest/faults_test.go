package envtest

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestRestart_KeepsWhatIsStored(t *testing.T) {
	client := clientFor(t, plane.Config)
	ns := namespace(t, client)
	for _, program := range []string{"etcd", "kube-apiserver"} {
		p, err := plane.program(program)
		if err != nil {
			t.Fatal(err)
		}
		before := p.cmd.Process.Pid
		if err := plane.Restart(t.Context(), program); err != nil {
			t.Fatal(err)
		}
		if after := p.cmd.Process.Pid; running(before) || after == before {
			t.Errorf("%s was process %d and is process %d, want another one", program, before, after)
		}
		eventually(t, "the namespace is there after a restart of "+program, func() error {
			_, err := client.CoreV1().Namespaces().Get(t.Context(), ns, metav1.GetOptions{})
			return err
		})
	}
}

func TestSignal_StopsAProgram(t *testing.T) {
	client := clientFor(t, plane.Config)
	get := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		_, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceDefault, metav1.GetOptions{})
		return err
	}
	if err := plane.Signal("kube-apiserver", syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// The kernel stops a program's threads one after the other: the first request may still be answered.
	eventually(t, "a stopped API server does not answer", func() error {
		if get(time.Second) == nil {
			return errors.New("it answers")
		}
		return nil
	})
	if err := plane.Signal("kube-apiserver", syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server answers again", func() error { return get(time.Second) })
	err := plane.Signal("kube-scheduler", os.Interrupt)
	if err == nil || !strings.HasPrefix(err.Error(), `"kube-scheduler" is not a program of this control plane: `) {
		t.Errorf("a program that does not run: %v", err)
	}
}

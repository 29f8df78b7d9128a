package envtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// running reports whether there is such a process, which may be anybody's: the number is asked for again soon enough.
func running(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestStop_LeavesNoProcessAndNoFile(t *testing.T) {
	cp, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range cp.processes {
		pids = append(pids, p.cmd.Process.Pid)
	}
	if len(pids) != 3 {
		t.Errorf("%d programs run, want etcd, kube-apiserver and kube-controller-manager", len(pids))
	}
	if err := cp.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if running(pid) {
			t.Errorf("process %d runs after Stop", pid)
		}
	}
	if _, err := os.Stat(cp.dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there after Stop: %v", err)
	}
	if err := cp.Stop(); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

func TestStart_NothingOutlivesItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends children with their parent")
	}
	cmd := exec.Command(os.Args[0])
	// The path is short enough for a socket.
	tmp, err := os.MkdirTemp("", "shmkeeper-envtest-panic-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(tmp); err != nil {
			t.Error(err)
		}
	})
	cmd.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+tmp)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "panic: in the middle of a test") {
		t.Fatalf("the child was to panic: %v\n%s", err, stderr.String())
	}
	if len(pids) != 3 {
		t.Fatalf("the child named the processes %v, want three", pids)
	}
	for _, pid := range pids {
		eventually(t, "a process outlives the test that started it", func() error {
			if running(pid) {
				return fmt.Errorf("process %d runs", pid)
			}
			return nil
		})
	}

	// It had no chance to remove its folder either: the next one does.
	left := func() []string {
		dirs, err := filepath.Glob(filepath.Join(tmp, tempDirPrefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		return dirs
	}
	if n := len(left()); n != 1 {
		t.Errorf("the child has left %d folders, want the one of its control plane", n)
	}
	sweep(tmp)
	if dirs := left(); len(dirs) != 0 {
		t.Errorf("%v are there after the sweep", dirs)
	}
}

func TestSweep_KeepsFoldersInUse(t *testing.T) {
	sweep(filepath.Dir(plane.dir))
	if _, err := os.Stat(plane.Kubeconfig); err != nil {
		t.Error(err)
	}
}

// panicWithControlPlane prints the processes of a control plane and panics.
func panicWithControlPlane() {
	cp, err := Start(context.Background(), Options{})
	if err != nil {
		panic(err)
	}
	for _, p := range cp.processes {
		fmt.Println(p.cmd.Process.Pid)
	}
	panic("in the middle of a test")
}

package install

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel end the process with this one, so that a test that
// panics leaves none behind.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

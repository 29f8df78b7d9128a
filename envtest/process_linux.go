package envtest

import "syscall"

// dieWithParent has the kernel kill the program when this process ends in any way, a panic and a
// kill included. A process group of its own keeps the terminal's interrupt from it, so that this
// process can end it in order.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

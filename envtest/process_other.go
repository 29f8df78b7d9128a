//go:build unix && !linux

package envtest

import "syscall"

// dieWithParent gives the program a process group of its own. Only Linux can kill it together with this process: elsewhere it outlives a
// panic.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

//go:build linux

package uml

import (
	"fmt"
	"strings"
)

// The consoles of the guest that the program's output goes to, and the file descriptors of the kernel that they are.
const (
	stdoutConsole, stdoutDescriptor = 1, 3
	stderrConsole, stderrDescriptor = 2, 4
)

// arguments are those of the kernel. The root is the file system of the machine, read-only; the kernel's own messages go to its output.
func (g Guest) arguments() ([]string, error) {
	for what, path := range map[string]string{"Program": g.Program, "Scratch": g.Scratch} {
		// The kernel splits its arguments at spaces, and hostfs its options at commas.
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\n\",") {
			return nil, fmt.Errorf("%s: %q is not an absolute path without spaces, quotes and commas: choose another one, such as by TMPDIR or GOTMPDIR", what, path)
		}
	}
	return []string{
		fmt.Sprintf("mem=%dM", g.Memory>>20),
		"root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"quiet", "loglevel=4",
		"uml_dir=" + g.Scratch, "umid=guest",
		"con=null", "con0=null,fd:1",
		fmt.Sprintf("con%d=null,fd:%d", stdoutConsole, stdoutDescriptor),
		fmt.Sprintf("con%d=null,fd:%d", stderrConsole, stderrDescriptor),
		"init=" + g.Program,
		// A parameter that the kernel does not know is a variable of init.
		scratchVariable + "=" + g.Scratch,
	}, nil
}

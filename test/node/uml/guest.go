//go:build linux

package uml

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Guest describes what runs in a guest. All paths are absolute, and the same in the guest as on the machine.
type Guest struct {
	Program string   // calls Init when it is the guest's first process
	Args    []string // without the program's name
	Env     []string // NAME=value
	Dir     string   // the current folder
	// Writable are folders in which the guest writes to the machine. Scratch is always one.
	Writable []string
	// Scratch is an empty folder for the files of the guest itself, which the caller removes.
	Scratch string
	// Memory is how many bytes the guest has. The machine gives them when they are first used.
	Memory int64
	// CPUInfoVariable names the environment variable that gives the program the path of a /proc/cpuinfo that a kubelet can read.
	CPUInfoVariable string
}

// scratchVariable names the folder Scratch to the guest's first process, and guestVariable tells
// the program and what it starts that they are in a guest.
const (
	scratchVariable = "SHMKEEPER_UML_SCRATCH"
	guestVariable   = "SHMKEEPER_UML_GUEST"
)

// InGuest reports whether this process runs in a guest.
func InGuest() bool { return os.Getenv(guestVariable) != "" }

// The files of the folder Scratch.
const (
	taskFile   = "task.json"
	statusFile = "status"     // the program's exit status, in digits
	errorFile  = "error"      // why the program could not be run
	logFile    = "kernel.log" // the kernel's messages
)

// task is what the guest's first process needs to know.
type task struct {
	Program  string
	Args     []string
	Env      []string
	Dir      string
	Modules  string
	Writable []string
}

// Run boots a guest, runs the program in it as root and returns the exit status that it ended with.
// When ctx is done the guest ends at once, and so it does when this process is killed. Run needs
// root.
func (k Kernel) Run(ctx context.Context, g Guest, stdout, stderr io.Writer) (status int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("the guest reads the file system of this machine as root: run it as root")
	}
	args, err := g.arguments()
	if err != nil {
		return 0, err
	}
	library, err := preload(ctx, g.Scratch)
	if err != nil {
		return 0, err
	}
	if err := g.writeTask(k); err != nil {
		return 0, fmt.Errorf("the folder of the guest: %w: make room in TMPDIR", err)
	}
	log, err := os.Create(filepath.Join(g.Scratch, logFile))
	if err != nil {
		return 0, fmt.Errorf("the folder of the guest: %w", err)
	}
	defer func() { _ = log.Close() }() // read by name below

	cmd := exec.CommandContext(ctx, k.Program, args...)
	cmd.Env = []string{"LD_PRELOAD=" + library, "TMPDIR=" + memoryFolder(g)}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// Its processes are processes of the machine: they end with the first of the namespace, whatever that one ends by.
		Cloneflags: syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
		// Ctrl-C is for this process, which ends the guest.
		Setpgid: true,
	}
	// The kernel sends that signal when the thread ends that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	copied, err := g.start(cmd, stdout, stderr)
	if err != nil {
		return 0, err
	}
	err = cmd.Wait()
	copied()
	if ctx.Err() != nil {
		return 0, fmt.Errorf("the guest was ended: %w", context.Cause(ctx))
	}
	return g.result(err)
}

// start starts the kernel with pipes for the program's output. copied waits until all of it is written.
func (g Guest) start(cmd *exec.Cmd, stdout, stderr io.Writer) (copied func(), err error) {
	var wg sync.WaitGroup
	var ends []*os.File
	defer func() {
		for _, end := range ends {
			_ = end.Close() // the kernel has its own
		}
	}()
	for _, to := range []io.Writer{stdout, stderr} {
		from, end, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("a pipe for the guest: %w", err)
		}
		ends = append(ends, end)
		wg.Go(func() {
			// Where nobody reads any more the guest still has to be able to write.
			if _, err := io.Copy(to, from); err != nil {
				_, _ = io.Copy(io.Discard, from)
			}
			_ = from.Close()
		})
	}
	cmd.ExtraFiles = ends // from 3 on
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the guest: %w: run it as root, outside of a container", err)
	}
	return wg.Wait, nil
}

// writeTask writes what the guest's first process reads.
func (g Guest) writeTask(k Kernel) error {
	cpuinfo, err := writeCPUInfo(g.Scratch)
	if err != nil {
		return err
	}
	env := append(slices.Clone(g.Env), guestVariable+"=1")
	if g.CPUInfoVariable != "" {
		env = append(env, g.CPUInfoVariable+"="+cpuinfo)
	}
	text, err := json.Marshal(task{
		Program: g.Program, Args: g.Args, Env: env, Dir: g.Dir, Modules: k.Modules, Writable: append([]string{g.Scratch}, g.Writable...),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(g.Scratch, taskFile), text, 0o600)
}

// memoryFolder returns where the file is that the guest's memory is in: the machine's /dev/shm if it has room for it.
func memoryFolder(g Guest) string {
	var fs unix.Statfs_t
	const dir = "/dev/shm"
	if err := unix.Statfs(dir, &fs); err == nil && fs.Type == unix.TMPFS_MAGIC && int64(fs.Bavail)*fs.Bsize >= g.Memory {
		return dir
	}
	return g.Scratch
}

// result returns what the guest has left in Scratch, or an error with the last messages of the kernel if it ended without.
func (g Guest) result(ended error) (status int, err error) {
	if text, err := os.ReadFile(filepath.Join(g.Scratch, errorFile)); err == nil {
		return 0, fmt.Errorf("in the guest: %s", text)
	}
	text, err := os.ReadFile(filepath.Join(g.Scratch, statusFile))
	if err == nil {
		return strconv.Atoi(string(bytes.TrimSpace(text)))
	}
	log, _ := os.ReadFile(filepath.Join(g.Scratch, logFile)) // an empty one says as little
	return 0, fmt.Errorf("the guest ended without a status (%w); the last messages of its kernel:\n%s", errors.Join(err, ended), lastLines(string(log), 20))
}

// lastLines returns the last lines of a text, n at most.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

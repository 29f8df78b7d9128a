//go:build linux

// Package isolate runs a program a second time in namespaces of its own: mount, PID, network.
// Whatever it starts there, mounts there or listens on there ends with it, even when it is killed,
// and nothing that runs on the machine is in its way.
//
// A program calls Run first of all, and goes on with its work only where Run tells it to:
//
//	inside, status, err := isolate.Run(outside)
//	switch {
//	case err != nil:
//		...
//	case !inside:
//		os.Exit(status)
//	}
package isolate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The environment variables by which the program knows, when it is run again, that it is, and in which cgroup its containers go.
const (
	stageVariable  = "SHMKEEPER_NODE_STAGE"
	cgroupVariable = "SHMKEEPER_NODE_CGROUP"

	stageInit   = "init"
	stageInside = "inside"
)

// CPUInfoVariable is the environment variable that names a file to cover /proc/cpuinfo with inside,
// for a kernel whose own a kubelet cannot read.
const CPUInfoVariable = "SHMKEEPER_NODE_CPUINFO"

// cgroupPrefix begins the name of the cgroup of each run; the process ID of the program follows.
const cgroupPrefix = "shmkeeper-node-"

// Dir is a folder that exists inside only. It is in memory, so what is left there goes with the namespaces.
const Dir = "/run/shmkeeper"

// covered are the folders of the machine that are empty inside, and in memory: those that a
// container runtime and a kubelet write to without being asked.
var covered = []string{"/run", "/var/log", "/var/lib"}

// Visible returns an error where a path of the machine is not there inside. what says whose path it is, and how to choose another.
func Visible(what, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for _, dir := range covered {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return fmt.Errorf("%s is %q, and the node has folders of its own at %s; choose one elsewhere", what, path, strings.Join(covered, ", "))
		}
	}
	return nil
}

// Cgroup returns the name of the cgroup, directly below the root of each hierarchy, that Run has
// made for what runs inside. It is empty outside.
func Cgroup() string { return os.Getenv(cgroupVariable) }

// Run runs the program again in namespaces of its own, as root, and returns the exit status that it
// ended with; there, it returns that this is inside. prepare is called once before that. Run then
// sees to it that nothing is left behind: what is left is an error.
func Run(prepare func() error) (inside bool, status int, err error) {
	switch os.Getenv(stageVariable) {
	case stageInside:
		return true, 0, nil
	case stageInit:
		status, err := initialize()
		return false, status, err
	}
	if err := prepare(); err != nil {
		return false, 0, err
	}
	status, err = outside()
	return false, status, err
}

// outside is the first run of the program.
func outside() (status int, err error) {
	if err := removeStale(); err != nil {
		return 0, err
	}
	before, err := takeStock()
	if err != nil {
		return 0, err
	}
	cgroup := cgroupPrefix + strconv.Itoa(os.Getpid())
	// One of that name is of an earlier process with the same ID.
	if err := errors.Join(removeCgroup(cgroup), makeCgroup(cgroup)); err != nil {
		return 0, err
	}

	cmd, err := again(stageInit, cgroupVariable+"="+cgroup)
	if err != nil {
		return 0, errors.Join(err, removeCgroup(cgroup))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		// The first process of a PID namespace takes all others with it.
		Pdeathsig: syscall.SIGKILL,
	}
	// The kernel sends that signal when the thread ends that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// An interrupt reaches the program inside as well, which then ends, and this one is needed to tidy up.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	if err := cmd.Start(); err != nil {
		return 0, errors.Join(fmt.Errorf("namespaces of its own: %w; run it as root, outside of a container", err), removeCgroup(cgroup))
	}
	spaces, err := namespacesOf(cmd.Process.Pid)
	if err != nil {
		return 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait(), removeCgroup(cgroup))
	}
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	select {
	case err = <-waited:
	case <-interrupts:
		_ = cmd.Process.Signal(syscall.SIGTERM)
		err = <-waited
	}
	status, err = exitStatus(err)
	return status, errors.Join(err, removeCgroup(cgroup), before.leftBehind(spaces))
}

// exitStatus reads what Wait has returned. An end by a signal is an error.
func exitStatus(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode(), nil
	default:
		return 0, fmt.Errorf("the run in namespaces of its own: %w", err)
	}
}

// again is the program with the same arguments, at another stage.
func again(stage string, more ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the path of this program: %w", err)
	}
	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Env = append(os.Environ(), append(more, stageVariable+"="+stage)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd, nil
}

// initialize is the second run, the first process of the PID namespace: it makes the namespaces
// usable, starts the third run and waits for all that lose their parents.
func initialize() (status int, err error) {
	if err := mounts(); err != nil {
		return 0, err
	}
	cmd, err := again(stageInside, "TMPDIR="+Dir)
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("the run in namespaces of its own: %w", err)
	}
	// Not cmd.Wait: this process has children that it does not know of, and the end of this function is that of all of them.
	for {
		var ended syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ended, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("waiting in the PID namespace: %w", err)
		case pid == cmd.Process.Pid && ended.Exited():
			return ended.ExitStatus(), nil
		case pid == cmd.Process.Pid:
			return 0, fmt.Errorf("the run in namespaces of its own was ended by the signal %q", ended.Signal())
		}
	}
}

// mounts gives the mount namespace its own /proc and covers the folders that are not to be written to.
func mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("a mount namespace of its own: %w; run it as root, outside of a container", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("a /proc of its own: %w; run it outside of a container", err)
	}
	if file := os.Getenv(CPUInfoVariable); file != "" {
		if err := unix.Mount(file, "/proc/cpuinfo", "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %q as /proc/cpuinfo: %w; name a file, or unset it", CPUInfoVariable, file, err)
		}
	}
	for _, dir := range covered {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
			return fmt.Errorf("an empty %q of its own: %w", dir, err)
		}
	}
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return fmt.Errorf("the folder %q: %w", Dir, err)
	}
	return nil
}

// hierarchies are the folders of all cgroup hierarchies: one with cgroup v2, one for each controller with v1.
func hierarchies() ([]string, error) {
	const root = "/sys/fs/cgroup"
	if V2() {
		return []string{root}, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("the cgroups: %w; mount them at %q", err, root)
	}
	var all []string
	for _, entry := range entries {
		// Links, such as cpu to cpu,cpuacct, name a hierarchy once more.
		if entry.IsDir() {
			all = append(all, filepath.Join(root, entry.Name()))
		}
	}
	return all, nil
}

// V2 reports whether the machine has the one hierarchy of cgroup v2, and not those of v1.
func V2() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

func makeCgroup(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	if V2() {
		// A kubelet wants the same controllers in its own cgroup as the machine has.
		for _, controller := range []string{"cpu", "cpuset", "memory", "hugetlb", "pids", "io"} {
			// What cannot be handed down here the kubelet names when it starts.
			_ = os.WriteFile(filepath.Join(all[0], "cgroup.subtree_control"), []byte("+"+controller), 0o600)
		}
	}
	for _, hierarchy := range all {
		if err := os.Mkdir(filepath.Join(hierarchy, name), 0o755); err != nil {
			return errors.Join(fmt.Errorf("a cgroup for the node: %w; run it as root, where cgroups can be written to", err), removeCgroup(name))
		}
		// A workload whose time runs faster has the more to do in each second: it goes before whatever else the machine does.
		for file, weight := range map[string]string{"cpu.shares": "16384", "cpu.weight": "1600"} {
			err := os.WriteFile(filepath.Join(hierarchy, name, file), []byte(weight), 0o600)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return errors.Join(fmt.Errorf("the weight of the node's cgroup: %w", err), removeCgroup(name))
			}
		}
	}
	return nil
}

// removeCgroup removes the cgroup and all below it from all hierarchies. Nothing may run in them any more.
func removeCgroup(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, hierarchy := range all {
		errs = append(errs, removeTree(filepath.Join(hierarchy, name)))
	}
	return errors.Join(errs...)
}

// Runs reports whether there is a process of that ID.
func Runs(pid string) bool {
	id, err := strconv.Atoi(pid)
	return err == nil && !errors.Is(syscall.Kill(id, 0), syscall.ESRCH)
}

// removeStale removes the cgroups of runs whose program was killed before it could.
func removeStale() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, hierarchy := range all {
		found, err := filepath.Glob(filepath.Join(hierarchy, cgroupPrefix+"*"))
		if err != nil {
			return err
		}
		for _, dir := range found {
			if !Runs(strings.TrimPrefix(filepath.Base(dir), cgroupPrefix)) {
				errs = append(errs, removeTree(dir))
			}
		}
	}
	return errors.Join(errs...)
}

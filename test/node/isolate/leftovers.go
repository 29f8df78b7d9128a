//go:build linux

package isolate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stock is what the machine has of the kinds that container runtimes and kubelets make.
type stock struct {
	mounts, interfaces, folders, cgroups []string
}

// foldersOfNode are those that container runtimes and kubelets write to when they are not told otherwise, and that of a run.
var foldersOfNode = []string{
	Dir, "/run/containerd", "/run/netns", "/var/lib/kubelet", "/var/lib/cni", "/var/lib/containerd", "/var/log/pods", "/var/log/containers",
	"/opt/containerd", "/etc/cni/net.d", "/usr/libexec/kubernetes",
}

// isOfNode reports whether a mount could be one of a run; the machine may have got others in the meantime.
func isOfNode(mount string) bool {
	return slices.ContainsFunc(foldersOfNode, func(dir string) bool { return mount == dir || strings.HasPrefix(mount, dir+"/") })
}

func takeStock() (stock, error) {
	var s stock
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return s, fmt.Errorf("the mounts of the machine: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(mounts)); lines.Scan(); {
		// "36 35 98:0 /mnt1 /mnt2 rw,noatime ...": the fifth field is where it is mounted.
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && isOfNode(fields[4]) {
			s.mounts = append(s.mounts, fields[4])
		}
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return s, fmt.Errorf("the network interfaces of the machine: %w", err)
	}
	for i := range interfaces {
		// Both ends of the other ones are in namespaces that end with the run.
		if interfaces[i].Name == "cni0" {
			s.interfaces = append(s.interfaces, interfaces[i].Name)
		}
	}
	for _, dir := range foldersOfNode {
		if _, err := os.Lstat(dir); err == nil {
			s.folders = append(s.folders, dir)
		}
	}
	s.cgroups, err = cgroupsOfRuns()
	return s, err
}

// namespaces are the links of /proc/PID/ns that tell one namespace from another.
type namespaces []string

var kinds = []string{"mnt", "pid", "net"}

func namespacesOf(pid int) (namespaces, error) {
	var all namespaces
	for _, kind := range kinds {
		link, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns", kind))
		if err != nil {
			return nil, fmt.Errorf("the namespaces of process %d: %w", pid, err)
		}
		own, err := os.Readlink(filepath.Join("/proc/self/ns", kind))
		if err != nil {
			return nil, fmt.Errorf("the namespaces of this process: %w", err)
		}
		if link == own {
			return nil, fmt.Errorf("process %d has not got a %s namespace of its own", pid, kind)
		}
		all = append(all, link)
	}
	return all, nil
}

// leftBehind says what a run has left: a process in one of its namespaces, a mount, a network
// interface, a cgroup or a folder that was not there before.
func (before stock) leftBehind(of namespaces) error {
	now, err := takeStock()
	if err != nil {
		return err
	}
	processes, err := processesIn(of)
	if err != nil {
		return err
	}
	errs := before.missing(now)
	for _, pid := range processes {
		errs = append(errs, fmt.Errorf("the run has left process %d behind; end it with kill", pid))
	}
	return errors.Join(errs...)
}

// missing returns an error for each thing that is there now and was not before.
func (before stock) missing(now stock) []error {
	var errs []error
	for _, c := range []struct {
		what, remedy string
		before, now  []string
	}{
		{"mount", "umount", before.mounts, now.mounts},
		{"network interface", "ip link delete", before.interfaces, now.interfaces},
		{"folder", "rm -r", before.folders, now.folders},
		{"cgroup", "rmdir", before.cgroups, now.cgroups},
	} {
		for _, name := range c.now {
			if !slices.Contains(c.before, name) {
				errs = append(errs, fmt.Errorf("the run has left the %s %q behind; remove it with %s", c.what, name, c.remedy))
			}
		}
	}
	return errs
}

// processesIn finds the processes in any of the namespaces.
func processesIn(of namespaces) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("the processes of the machine: %w", err)
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		for _, kind := range kinds {
			// One that has ended in the meantime has no links.
			link, err := os.Readlink(filepath.Join("/proc", entry.Name(), "ns", kind))
			if err == nil && slices.Contains(of, link) {
				found = append(found, pid)
				break
			}
		}
	}
	return found, nil
}

// cgroupsOfRuns finds the cgroups of this run, and those that a kubelet or a container runtime makes when it is told of no other parent.
func cgroupsOfRuns() ([]string, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, hierarchy := range all {
		for _, pattern := range []string{cgroupPrefix + strconv.Itoa(os.Getpid()), "kubepods*", "k8s.io", "system.slice/containerd*"} {
			dirs, err := filepath.Glob(filepath.Join(hierarchy, pattern))
			if err != nil {
				return nil, err
			}
			found = append(found, dirs...)
		}
	}
	return found, nil
}

// removeTree removes a cgroup and all below it, from the leaves up. The kernel may need a moment after the last process has ended.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("the cgroup %q: %w", dir, err)
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		err := syscall.Rmdir(dir)
		for end := time.Now().Add(10 * time.Second); errors.Is(err, syscall.EBUSY) && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
			err = syscall.Rmdir(dir)
		}
		if err != nil && !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("the cgroup %q: %w; end what runs in it and remove it with rmdir", dir, err)
		}
	}
	return nil
}

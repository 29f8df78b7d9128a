//go:build linux

package uml

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// base is where the new root is made, in a folder that every machine has; newRoot is the overlay.
const (
	base    = "/run"
	newRoot = base + "/root"
)

// mount is a file system of the guest.
type mount struct{ kind, dir, options string }

// below are those of the new root.
var below = []mount{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"cgroup2", "/sys/fs/cgroup", ""},
	{"devtmpfs", "/dev", ""},
	{"devpts", "/dev/pts", ""},
	{"tmpfs", "/dev/shm", ""},
	{"mqueue", "/dev/mqueue", ""},
	{"tmpfs", "/run", "mode=0755"},
}

func (m mount) at(root string) error {
	dir := filepath.Join(root, m.dir)
	// Those of /dev/pts, /dev/shm and /dev/mqueue are not there.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("a folder for %s: %w", m.kind, err)
	}
	if err := unix.Mount(m.kind, dir, m.kind, 0, m.options); err != nil {
		return fmt.Errorf("%s at %s: %w", m.kind, m.dir, err)
	}
	return nil
}

// mountHost mounts a folder of the machine so that it can be written to.
func mountHost(folder, at string) error {
	if err := unix.Mount("none", at, "hostfs", 0, folder); err != nil {
		return fmt.Errorf("the folder %q of the machine: %w", folder, err)
	}
	return nil
}

// makeRoot changes the root to one that can be written to: the machine's file system below a layer
// in memory. The folders in writable are the machine's own.
func makeRoot(writable []string) error {
	if err := (mount{"tmpfs", base, "mode=0755,size=75%"}).at("/"); err != nil {
		return err
	}
	for _, dir := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			return err
		}
	}
	const layers = "lowerdir=/,upperdir=" + base + "/upper,workdir=" + base + "/work"
	if err := unix.Mount("overlay", newRoot, "overlay", 0, layers); err != nil {
		return fmt.Errorf("an overlay over the file system of the machine: %w", err)
	}
	for _, m := range below {
		if err := m.at(newRoot); err != nil {
			return err
		}
	}
	for _, folder := range writable {
		if err := mountHost(folder, filepath.Join(newRoot, folder)); err != nil {
			return err
		}
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("the new root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("the new root: %w", err)
	}
	return os.Chdir("/")
}

//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// loadPolicy gives the kernel the SELinux policy of the initramfs, if there is one.
func loadPolicy() error {
	policy, err := os.ReadFile("/" + report.PolicyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	const folder = "/sys/fs/selinux"
	if err := syscall.Mount("selinuxfs", folder, "selinuxfs", 0, ""); err != nil {
		return fmt.Errorf("mount selinuxfs: %w", err)
	}
	if err := os.WriteFile(path.Join(folder, "load"), policy, 0); err != nil {
		return fmt.Errorf("load the SELinux policy: %w", err)
	}
	return nil
}

// describe returns what is to be known of this kernel.
func describe() (report.Kernel, error) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return report.Kernel{}, err
	}
	slabs, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return report.Kernel{}, err
	}
	label, err := labelOfFile()
	if err != nil {
		return report.Kernel{}, err
	}
	return report.Kernel{
		Release: strings.TrimSpace(string(release)), Label: label, Objects: objectSizes(string(slabs)),
	}, nil
}

// objectSizes returns the sizes of the objects that files are made of, from the text of
// /proc/slabinfo: name, active objects, objects, size of an object.
func objectSizes(slabinfo string) map[string]int64 {
	sizes := map[string]int64{}
	for line := range strings.Lines(slabinfo) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		switch fields[0] {
		case "shmem_inode_cache", "dentry", "radix_tree_node":
			if size, err := strconv.ParseInt(fields[3], 10, 64); err == nil {
				sizes[fields[0]] = size
			}
		}
	}
	return sizes
}

// labelOfFile returns the SELinux label of a new file on tmpfs; empty if there is none.
func labelOfFile() (label string, err error) {
	if err := mountVolume(1 << 20); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unmountVolume()) }()
	name := path.Join(volumePath, "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return "", err
	}
	text := make([]byte, 256)
	switch n, err := syscall.Getxattr(name, "security.selinux", text); {
	case errors.Is(err, syscall.ENODATA), errors.Is(err, syscall.EOPNOTSUPP):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("the label of a file: %w", err)
	default:
		return string(bytes.TrimRight(text[:n], "\x00")), nil
	}
}

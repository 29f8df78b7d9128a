//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// volumePath is where volumes are mounted, one at a time.
const volumePath = "/shm"

// mountVolume mounts a tmpfs of a size in bytes, as a kubelet does for a Memory emptyDir if there are
// no further options.
func mountVolume(size int64, options ...string) error {
	if err := os.MkdirAll(volumePath, 0o755); err != nil {
		return err
	}
	data := strings.Join(append(options, "size="+strconv.FormatInt(size, 10)), ",")
	if err := syscall.Mount("tmpfs", volumePath, "tmpfs", 0, data); err != nil {
		return fmt.Errorf("mount a tmpfs of %d bytes: %w", size, err)
	}
	return nil
}

// unmountVolume frees the volume, once the last file of a process that was killed is closed.
func unmountVolume() error {
	err := syscall.Unmount(volumePath, 0)
	for range 50 {
		if !errors.Is(err, syscall.EBUSY) {
			break
		}
		time.Sleep(100 * time.Millisecond)
		err = syscall.Unmount(volumePath, 0)
	}
	if err != nil {
		return fmt.Errorf("unmount the volume: %w", err)
	}
	return nil
}

// volumeStatistics returns the volume's capacity and use in bytes: whole pages. How many inodes are in use
// does not tell how many files there are: kernels that keep SELinux labels count these too.
func volumeStatistics() (capacity, used int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(volumePath, &s); err != nil {
		return 0, 0, fmt.Errorf("statfs of the volume: %w", err)
	}
	return int64(s.Blocks) * int64(s.Bsize), int64(s.Blocks-s.Bfree) * int64(s.Bsize), nil
}

// volumeFiles returns how many files of at most a page are in the volume, empty ones left out.
func volumeFiles() (int, error) {
	_, used, err := volumeStatistics()
	return int(used / page), err
}

//go:build linux

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Volume is what GET /volume answers: the file system of TMPDIR, and what happened to the sessions.
type Volume struct {
	Path string `json:"path"`
	// Type is "tmpfs", or the magic number of another file system.
	Type       string `json:"type"`
	SizeBytes  int64  `json:"sizeBytes"`
	UsedBytes  int64  `json:"usedBytes"`
	InodesUsed int64  `json:"inodesUsed"`
	// Files is the number of session files, the empty ones that refused saves leave behind included.
	Files int64 `json:"files"`
	// SessionBytes is the length of a session's file.
	SessionBytes int64 `json:"sessionBytes"`
	// Saved, Refused and Swept count sessions since the process began.
	Saved   int64 `json:"saved"`
	Refused int64 `json:"refused"`
	Swept   int64 `json:"swept"`
	Sweeps  int64 `json:"sweeps"`
	// LongestSweepMillis is how long the longest sweep took, rounded up; 0 when there was none.
	LongestSweepMillis int64 `json:"longestSweepMillis"`
	// LongestCycleMillis is the longest time from the beginning of a sweep to the end of the next one, rounded up: a file
	// can be that much older than the retention. 0 when there was none.
	LongestCycleMillis int64 `json:"longestCycleMillis"`
}

// mounted is the part of a Volume that the kernel knows.
func mounted(path string) (Volume, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Volume{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	kind := "tmpfs"
	if st.Type != unix.TMPFS_MAGIC {
		kind = fmt.Sprintf("%#x", uint32(st.Type))
	}
	return Volume{
		Path:       path,
		Type:       kind,
		SizeBytes:  int64(st.Blocks) * st.Frsize,
		UsedBytes:  int64(st.Blocks-st.Bfree) * st.Frsize,
		InodesUsed: int64(st.Files - st.Ffree),
	}, nil
}

package envtest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	tempDirPrefix = "shmkeeper-envtest-"
	tempDirLock   = "in-use"
)

// newTempDir makes a folder for one control plane and locks it until release is called or this
// process ends. Those that processes have left behind which panicked or were killed are removed
// first, since each has a database in it.
func newTempDir() (dir string, release func(), err error) {
	sweep(os.TempDir())
	dir, err = os.MkdirTemp("", tempDirPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("the folder of the control plane: %w; set TMPDIR to a folder that can be written to", err)
	}
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return "", nil, fmt.Errorf("the folder of the control plane: %w; make room in TMPDIR", err)
	}
	// It gets its name once it is locked, so that nobody ever sees it without a lock in a folder that is in use.
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, tempDirLock))
	}
	if err != nil {
		_ = f.Close() // the error that counts is err
		return "", nil, fmt.Errorf("the folder of the control plane: %w; set TMPDIR to a folder on a local disk", err)
	}
	return dir, func() { _ = f.Close() }, nil // nothing was written
}

// sweep removes the folders that nobody uses any more. What cannot be removed is somebody else's.
func sweep(tmp string) {
	locks, err := filepath.Glob(filepath.Join(tmp, tempDirPrefix+"*", tempDirLock))
	if err != nil {
		return
	}
	for _, path := range locks {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
		_ = f.Close()
	}
}

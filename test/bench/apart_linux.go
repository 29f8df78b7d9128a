package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// apart gives a process the last processor to itself, as far as this process is concerned, which
// keeps to the others. undo lets both run on all again. With one processor nothing changes.
func apart(pid int) (undo func() error, err error) {
	if runtime.NumCPU() < 2 {
		return func() error { return nil }, nil
	}
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, fmt.Errorf("the processors of this process: %w", err)
	}
	last := 0
	for i := range len(all) * 64 {
		if all.IsSet(i) {
			last = i
		}
	}
	theirs, rest := unix.CPUSet{}, all
	theirs.Set(last)
	rest.Clear(last)
	undo = func() error { return errors.Join(keepTo(pid, &all), keepTo(os.Getpid(), &all)) }
	if err := errors.Join(keepTo(pid, &theirs), keepTo(os.Getpid(), &rest)); err != nil {
		return nil, errors.Join(err, undo())
	}
	return undo, nil
}

// keepTo has all threads of a process run on some processors alone. Those that it starts later do as
// the thread that starts them.
func keepTo(pid int, processors *unix.CPUSet) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, processors); err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
			return fmt.Errorf("the processors of process %d: %w", pid, err)
		}
	}
	return nil
}

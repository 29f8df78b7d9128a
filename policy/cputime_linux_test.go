package policy_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// cpuTime returns how long f keeps its processor, which does not depend on what else runs on the
// machine: the time of its thread alone (getrusage(2), RUSAGE_THREAD).
func cpuTime(t *testing.T, f func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadTime(t)
	f()
	return threadTime(t) - start
}

func threadTime(t *testing.T) time.Duration {
	t.Helper()
	const thisThread = 1 // RUSAGE_THREAD, which package syscall leaves out
	var usage syscall.Rusage
	if err := syscall.Getrusage(thisThread, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

//go:build unix

package webhook

import (
	"syscall"
	"time"
)

// processTime returns the processor time that this process has used (getrusage(2)).
func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

//go:build !linux

package policy_test

import (
	"testing"
	"time"
)

// cpuTime returns how long f takes, as not every system tells the time of one thread.
func cpuTime(t *testing.T, f func()) time.Duration {
	t.Helper()
	start := time.Now()
	f()
	return time.Since(start)
}

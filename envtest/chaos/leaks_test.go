//go:build chaos && linux

package chaos

import (
	"fmt"
	"testing"
	"time"
)

// What a replica may hold beyond the beginning: a leader runs more controllers than the others, a
// term is begun and ended, a profile is being read.
const (
	moreGoroutines  = 40
	moreDescriptors = 10
	moreHeap        = 4 * mib
	// mostResident is the memory limit of the manifests.
	mostResident = 256 * mib
)

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, a heap of %.1f MiB and %.0f MiB resident",
		u.goroutines, u.descriptors, float64(u.heap)/float64(mib), float64(u.resident)/float64(mib))
}

// most returns the larger figures of both.
func (u usage) most(v usage) usage {
	return usage{
		max(u.goroutines, v.goroutines), max(u.descriptors, v.descriptors), max(u.heap, v.heap), max(u.resident, v.resident),
	}
}

// leak returns an error if a replica holds more than in the beginning.
func (u usage) leak(beginning usage) error {
	if u.goroutines > beginning.goroutines+moreGoroutines || u.descriptors > beginning.descriptors+moreDescriptors ||
		u.heap > beginning.heap+moreHeap || u.resident > mostResident {
		return fmt.Errorf("it holds %s, and in the beginning held %s", u, beginning)
	}
	return nil
}

// settledUsage returns the most that a replica holds, once two readings in a row agree.
func (h *harness) settledUsage(t *testing.T) (last usage) {
	t.Helper()
	eventually(t, func() error {
		now := usage{}
		for _, r := range h.replicas {
			u, err := r.usage(t.Context())
			if err != nil {
				return err
			}
			now = now.most(u)
		}
		before := last
		last = now
		if before.goroutines != now.goroutines || before.descriptors != now.descriptors {
			time.Sleep(500 * time.Millisecond) // between two readings
			return fmt.Errorf("it held %s, and now holds %s", before, now)
		}
		return nil
	})
	return last
}

// wantNoLeak wants every replica to come back to what was held in the beginning, when nobody is
// connected.
func (h *harness) wantNoLeak(t *testing.T) (most usage) {
	t.Helper()
	h.disconnect()
	defer h.serve()
	for _, r := range h.replicas {
		eventually(t, func() error {
			u, err := r.usage(t.Context())
			if err != nil {
				return err
			}
			if err := u.leak(h.baseline); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			most = most.most(u)
			return nil
		})
	}
	return most
}

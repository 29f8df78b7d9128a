//go:build linux && node

package incident

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// workers is how many requests of one load can be under way at once.
const workers = 16

// load sends requests without a cookie, as uptime monitors and users do: independent of each other
// and so of the answers, createdPerMinute on average.
//
// The incident's time is that of its requests: where the machine cannot send them when they are due, that time passes
// more slowly, and the figures stay those of so many requests a minute.
type load struct {
	start      time.Time
	timeFactor int
	stop       func() // ends it and waits for the last answers

	saved   atomic.Int64 // answered 302
	refused atomic.Int64 // answered 400
	failed  atomic.Int64 // without an answer, or with another one

	firstRefused atomic.Int64 // when it was due, as a time.Duration since start, in which lateness does not count; 0 for none

	mu    sync.Mutex
	marks []mark // in their order
}

// mark says how late requests were sent.
type mark struct{ at, late time.Duration } // both real; at is since the start

// markEvery is the least time between two marks.
const markEvery = 50 * time.Millisecond

// mark notes how late the request is that is sent now.
func (l *load) mark(due time.Duration) {
	now := time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.marks); n == 0 || now-l.marks[n-1].at >= markEvery {
		l.marks = append(l.marks, mark{at: now, late: max(0, now-due)})
	}
}

// passed returns how much of the incident's time has passed after a real time since the start.
func (l *load) passed(at time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].at > at })
	var late time.Duration
	switch {
	case i == 0:
	case i == len(l.marks):
		late = l.marks[i-1].late
	default:
		from, to := l.marks[i-1], l.marks[i]
		late = from.late + time.Duration(float64(to.late-from.late)*float64(at-from.at)/float64(to.at-from.at))
	}
	return (at - late) * time.Duration(l.timeFactor)
}

// virtual returns how much of the incident's time has passed by now.
func (l *load) virtual() time.Duration { return l.passed(time.Since(l.start)) }

// fullAfter returns the incident's time of the first refusal; 0 if there was none.
func (l *load) fullAfter() time.Duration {
	return time.Duration(l.firstRefused.Load()) * time.Duration(l.timeFactor)
}

// pace compares what was sent with createdPerMinute, 1 being as much, over all windows as long as files are kept
// by a writer, whose clock does not wait for late requests: in the fullest window, and on average.
func (l *load) pace(retention time.Duration) (most, mean float64) {
	l.mu.Lock()
	marks := slices.Clone(l.marks)
	l.mu.Unlock()
	n := 0
	for _, m := range marks {
		begin := m.at - retention/time.Duration(l.timeFactor)
		if begin < 0 {
			continue
		}
		share := float64(l.passed(m.at)-l.passed(begin)) / float64(retention)
		most, mean = max(most, share), mean+share
		n++
	}
	return most, mean / float64(n)
}

// send begins a load on the outpost. It ends with stop, and at the latest with the test.
func (o *outpost) send(t *testing.T) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{start: time.Now(), timeFactor: o.timeFactor}
	arrivals := make(chan time.Duration) // when they were due
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(arrivals)
		mean := float64(time.Minute) / createdPerMinute / float64(o.timeFactor)
		// Many arrive within the shortest time that can be slept, so each sleep is up to the next one that is due, and none is lost.
		due := time.Duration(0)
		for {
			due += time.Duration(rand.ExpFloat64() * mean)
			if wait := due - time.Since(l.start); wait > time.Millisecond {
				time.Sleep(wait)
			}
			select {
			case <-ctx.Done():
				return
			case arrivals <- due:
				l.mark(due)
			}
		}
	})
	for range workers {
		wg.Go(func() {
			for due := range arrivals {
				status, err := o.session(ctx)
				switch {
				case ctx.Err() != nil:
				case err == nil && status == http.StatusFound:
					l.saved.Add(1)
				case err == nil && status == http.StatusBadRequest:
					l.firstRefused.CompareAndSwap(0, int64(due))
					l.refused.Add(1)
				default:
					l.failed.Add(1)
				}
			}
		})
	}
	l.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(l.stop)
	return l
}

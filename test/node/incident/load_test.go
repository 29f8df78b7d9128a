//go:build linux && node

package incident

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// workers is how many requests of one load can be under way at once.
const workers = 16

// load sends requests without a cookie, as uptime monitors and users do: independent of each other
// and so of the answers, createdPerMinute on average.
type load struct {
	start      time.Time
	timeFactor int
	stop       func() // ends it and waits for the last answers

	saved   atomic.Int64 // answered 302
	refused atomic.Int64 // answered 400
	failed  atomic.Int64 // without an answer, or with another one

	firstRefused atomic.Int64 // time.Duration since start, real; 0 for none
}

// virtual returns how much time has passed in the incident's own time.
func (l *load) virtual() time.Duration { return time.Since(l.start) * time.Duration(l.timeFactor) }

// fullAfter returns the incident's time of the first refusal; 0 if there was none.
func (l *load) fullAfter() time.Duration {
	return time.Duration(l.firstRefused.Load()) * time.Duration(l.timeFactor)
}

// send begins a load on the outpost. It ends with stop, and at the latest with the test.
func (o *outpost) send(t *testing.T) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{start: time.Now(), timeFactor: o.timeFactor}
	arrivals := make(chan struct{}, 4096)
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
			case arrivals <- struct{}{}:
			}
		}
	})
	for range workers {
		wg.Go(func() {
			for range arrivals {
				status, err := o.session(ctx)
				switch {
				case ctx.Err() != nil:
				case err == nil && status == http.StatusFound:
					l.saved.Add(1)
				case err == nil && status == http.StatusBadRequest:
					l.firstRefused.CompareAndSwap(0, int64(time.Since(l.start)))
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

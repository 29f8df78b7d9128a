//go:build linux

package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// sweeper deletes old sessions at an interval.
type sweeper struct {
	store     *sessionStore
	retention time.Duration // 0: it never sweeps
	interval  time.Duration
	log       *slog.Logger

	began time.Time // when the last sweep began; before the first one, when run did

	sweeps        atomic.Int64
	longestMillis atomic.Int64 // rounded up, so that 0 means that there was none
	cycleMillis   atomic.Int64 // rounded up: see Volume.LongestCycleMillis
}

// run sweeps until ctx is done. A sweep that takes longer than the interval delays the next one.
func (s *sweeper) run(ctx context.Context) {
	if s.retention == 0 {
		return
	}
	s.began = time.Now()
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.once()
		}
	}
}

func (s *sweeper) once() {
	start := time.Now()
	if err := s.store.sweep(start.Add(-s.retention).UnixNano()); err != nil {
		s.log.Error("sweep failed", "err", err)
	}
	end := time.Now()
	raise(&s.longestMillis, end.Sub(start))
	if !s.began.IsZero() {
		raise(&s.cycleMillis, end.Sub(s.began))
	}
	s.began = start
	s.sweeps.Add(1)
}

// raise stores a time in milliseconds, rounded up, where it is more than what is there. Nobody else stores.
func raise(most *atomic.Int64, took time.Duration) {
	most.Store(max(most.Load(), int64((took+time.Millisecond-1)/time.Millisecond)))
}

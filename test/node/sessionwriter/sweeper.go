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

	sweeps        atomic.Int64
	longestMillis atomic.Int64 // rounded up, so that 0 means that there was none
}

// run sweeps until ctx is done. A sweep that takes longer than the interval delays the next one.
func (s *sweeper) run(ctx context.Context) {
	if s.retention == 0 {
		return
	}
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
	took := int64((time.Since(start) + time.Millisecond - 1) / time.Millisecond)
	s.longestMillis.Store(max(took, s.longestMillis.Load())) // nobody else stores
	s.sweeps.Add(1)
}

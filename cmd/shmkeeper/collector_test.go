package main

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestRelaxCollector(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	for name, c := range map[string]struct {
		limit int64
		gogc  string
		want  int
	}{
		"with a memory limit":             {1 << 30, "", relaxedPercent},
		"with a memory limit and GOGC":    {1 << 30, "50", 100}, // what the runtime has made of GOGC stays
		"without a memory limit":          {math.MaxInt64, "", 100},
		"without a memory limit, by GOGC": {math.MaxInt64, "50", 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOGC", c.gogc)
			debug.SetGCPercent(100)
			debug.SetMemoryLimit(c.limit)
			relaxCollector()
			if got := debug.SetGCPercent(100); got != c.want {
				t.Errorf("the heap may grow by %d per cent, want %d", got, c.want)
			}
		})
	}
}

package main

import (
	"math"
	"os"
	"runtime/debug"
)

// relaxedPercent is how much the heap may grow before it is collected, in per cent of what is in use. That is
// some 7 MiB in a small cluster, so that by Go's default of 100 a busy server would collect many times a second,
// and delay the requests that arrive meanwhile. docs/explanation/performance.md has what it brings and costs.
const relaxedPercent = 200

// relaxCollector has garbage collected less often if GOMEMLIMIT bounds how much there can be. GOGC
// takes precedence.
func relaxCollector() {
	if os.Getenv("GOGC") == "" && debug.SetMemoryLimit(-1) < math.MaxInt64 {
		debug.SetGCPercent(relaxedPercent)
	}
}

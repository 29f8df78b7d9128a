package learn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/internal/usage"
)

const (
	seeds    = 20
	page     = 4096
	mib      = 1 << 20
	capacity = 4096 * mib
)

var began = time.Date(2026, 4, 18, 0, 0, 0, 0, time.UTC)

// world is a workload whose rate changes, which internal/simulate has not.
type world struct {
	perMinute func(at time.Duration) float64
	most      float64 // of perMinute
	batch     int
	retention time.Duration
	sweep     time.Duration
	// emptied is when somebody deletes everything; 0 for never.
	emptied  time.Duration
	capacity int64
}

func steady(perMinute float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return perMinute }
}

// daily returns a rhythm with a quarter of the rate at three in the morning and seven quarters at three
// in the afternoon.
func daily(perMinute float64) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		return perMinute * (1 - 0.75*math.Cos(2*math.Pi*(at.Hours()-3)/24))
	}
}

// samples plays the world, and looks at it every step from a moment on.
func (w world) samples(seed uint64, from, span, step time.Duration) []usage.Sample {
	out, _ := w.play(seed, from, span, step)
	return out
}

// alive returns when the files were created that are there at a moment.
func (w world) alive(seed uint64, at time.Duration) []time.Duration {
	_, created := w.play(seed, at, at, at)
	return created
}

// play returns the samples, and the files at the end of the span.
func (w world) play(seed uint64, from, span, step time.Duration) ([]usage.Sample, []time.Duration) {
	random := rand.New(rand.NewPCG(seed, 7))
	var out []usage.Sample
	var created []time.Duration // of files alive
	next, nextSweep := time.Duration(0), w.sweep
	arrive := func() {
		next += time.Duration(random.ExpFloat64() * float64(time.Minute) * float64(w.batch) / w.most)
	}
	arrive()
	size := w.capacity
	if size == 0 {
		size = capacity
	}
	emptied := w.emptied
	for at := time.Duration(0); at <= span; at += step {
		for {
			moment := min(next, nextSweep)
			if emptied > 0 {
				moment = min(moment, emptied)
			}
			if moment > at {
				break
			}
			switch moment {
			case emptied:
				created, emptied = nil, 0
			case nextSweep:
				old, _ := slices.BinarySearch(created, nextSweep-w.retention)
				if w.retention > 0 && old > 0 {
					created = created[old:]
				}
				nextSweep += w.sweep
			default:
				if random.Float64() < w.perMinute(next)/w.most {
					for range w.batch {
						if int64(len(created)+1)*page <= size {
							created = append(created, next)
						}
					}
				}
				arrive()
			}
		}
		if at >= from {
			files := int64(len(created))
			out = append(out, usage.Sample{Time: began.Add(at), Used: files * page, Capacity: size, InodesUsed: files + 1})
		}
	}
	return out, created
}

// simulated plays a steady world by internal/simulate.
func simulated(t *testing.T, seed uint64, w simulate.Workload, size int64, span, step time.Duration) ([]usage.Sample, simulate.Curve) {
	t.Helper()
	curves, err := simulate.Run(w, []simulate.Volume{{Name: "v", Bytes: size}}, simulate.Options{Span: span, Step: step, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	var out []usage.Sample
	for _, s := range curves[0].Samples {
		out = append(out, usage.Sample{Time: began.Add(s.Time), Used: s.Bytes, Capacity: size, InodesUsed: s.Files + 1})
	}
	return out, curves[0]
}

func series(samples []usage.Sample) *usage.Series {
	s := usage.NewSeries(began, usage.DefaultPoints)
	for _, x := range samples {
		s.Add(x)
	}
	return s
}

// ninetieth returns the 90th percentile of relative errors, and prints it.
func ninetieth(t *testing.T, what string, errs []float64) float64 {
	t.Helper()
	if len(errs) == 0 {
		t.Fatalf("%s: nothing was estimated", what)
	}
	slices.Sort(errs)
	at := errs[(len(errs)*9+9)/10-1]
	t.Logf("%-64s median %5.1f %%  90th percentile %5.1f %%  worst %5.1f %%", what, 100*errs[len(errs)/2], 100*at, 100*errs[len(errs)-1])
	return at
}

func off(got, want float64) float64 {
	if got == 0 {
		return 1
	}
	return math.Abs(got-want) / want
}

func span(d time.Duration) string { return fmt.Sprint(d) }

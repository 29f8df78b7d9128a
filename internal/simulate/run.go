package simulate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// stream is the second word of the generator's seed: any constant will do, and changing it changes every history.
const stream = 0x73686d6b65657065

// Run plays the workload against the volumes and returns a curve for each, in their order.
//
// All volumes see the same arrivals. An arrival tries to create Batch files; each is accepted when the volume holds it beside the files
// that are alive, (files + 1) x BytesPerFile <= Bytes, and is refused otherwise, as tmpfs does with ENOSPC. A refused file is not
// tried again.
//
// Input that cannot be simulated, or not in reasonable time, is an error that names the field and says what to give instead; there
// are no curves then.
func Run(m Workload, volumes []Volume, o Options) ([]Curve, error) {
	if err := validate(m, volumes, o); err != nil {
		return nil, err
	}
	fills := make([]fill, len(volumes))
	for i, v := range volumes {
		fills[i] = newFill(m, v, o)
	}
	arrivals := newArrivals(m, o)
	next := arrivals.next()
	for at := time.Duration(0); ; at = min(at+o.Step, o.Span) {
		for ; next < int64(at); next = arrivals.next() {
			for f := range fills {
				fills[f].arrive(next, int64(m.Batch))
			}
		}
		for f := range fills {
			fills[f].sample(int64(at))
		}
		if at == o.Span {
			break
		}
	}
	curves := make([]Curve, len(fills))
	for i, f := range fills {
		curves[i] = f.curve
	}
	return curves, nil
}

// arrivals represents a Poisson process: the gaps between two arrivals are exponential and independent.
type arrivals struct {
	random *rand.Rand
	mean   float64 // gap in nanoseconds
	now    float64 // nanoseconds
	end    int64
}

func newArrivals(m Workload, o Options) *arrivals {
	return &arrivals{
		random: rand.New(rand.NewPCG(o.Seed, stream)),
		mean:   float64(time.Minute) * float64(m.Batch) / m.CreatedPerMinute,
		end:    int64(o.Span),
	}
}

// next returns the moment of the next arrival in nanoseconds, or the end of the run when there is none before it. The sum is kept as a
// float: gaps rounded one by one would shift the rate when they are short.
func (a *arrivals) next() int64 {
	// The conversion forbids a fused multiply-add, which would make another history on processors that have one.
	a.now += float64(a.random.ExpFloat64() * a.mean)
	// Compared as floats, because a gap may be longer than an integer holds.
	if a.now >= float64(a.end) {
		return a.end
	}
	return int64(a.now)
}

// checkCurves says why curves cannot be shown beside each other. Those that Run gives always can.
func checkCurves(curves []Curve) error {
	if len(curves) == 0 {
		return errors.New(`curves: "0" given: give what Run returns`)
	}
	first := curves[0]
	for i, c := range curves {
		if len(c.Samples) == 0 {
			return fmt.Errorf(`curves[%d] %q has no samples: give what Run returns`, i, c.Volume.Label())
		}
		if !slices.EqualFunc(c.Samples, first.Samples, func(a, b Sample) bool { return a.Time == b.Time }) {
			return fmt.Errorf(`curves[%d] %q is not sampled at the times of %q: give the curves of one run`, i, c.Volume.Label(), first.Volume.Label())
		}
	}
	return nil
}

// spanOf returns the time of the last sample.
func spanOf(curves []Curve) time.Duration {
	samples := curves[0].Samples
	return samples[len(samples)-1].Time
}

// summary reports whether and when a volume was full. It claims nothing beyond the end of the run: if nothing is ever deleted, what is not
// full yet will be.
func summary(c Curve) string {
	if c.FirstENOSPC != Never {
		return "ENOSPC first after " + human.Duration(c.FirstENOSPC)
	}
	if c.Peak == c.Capacity {
		return "full at times, but no file refused"
	}
	if len(c.Samples) == 0 {
		return "not full"
	}
	return "not full in " + human.Duration(c.Samples[len(c.Samples)-1].Time)
}

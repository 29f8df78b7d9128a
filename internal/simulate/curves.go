package simulate

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

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

// spanOf is the time of the last sample.
func spanOf(curves []Curve) time.Duration {
	samples := curves[0].Samples
	return samples[len(samples)-1].Time
}

// outcome says whether and when a volume was full. It claims nothing beyond the end of the run: where nothing is ever deleted, what
// is not full yet will be.
func outcome(c Curve) string {
	if c.FirstENOSPC != Never {
		return "ENOSPC first after " + spoken(c.FirstENOSPC)
	}
	if c.Peak == c.Capacity {
		return "full at times, but no file refused"
	}
	if len(c.Samples) == 0 {
		return "not full"
	}
	return "not full in " + spoken(c.Samples[len(c.Samples)-1].Time)
}

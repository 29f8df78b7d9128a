package learn

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Ages is what the files of a volume tell when they are listed once.
type Ages struct {
	// Files and Bytes are all that there are, Bytes those of pages.
	Files, Bytes int64
	// Oldest is the age of the oldest file, and Running that of the volume; 0 if it is not known.
	Oldest, Running time.Duration
	// Younger has ages that grow.
	Younger []Younger
}

// Younger is how many files are younger than an age.
type Younger struct {
	Age   time.Duration
	Files int64
}

const (
	// fewestListed is how many files a rate needs at least: of 10, a Poisson process gives the mean within a
	// third either way, two times out of three.
	fewestListed = 10
	// fewestInBand is how many files a stretch of ages must be expected to have for its share in the dispersion.
	fewestInBand = 5
	// keptShare is the part of the volume's age that the oldest file must have for nothing to have been deleted.
	keptShare = 0.8
	// longestGap is by how many mean distances two files are apart at most, 99 times out of 100.
	longestGap = 4.6
)

// FromAges estimates from a single listing. A sweep deletes all that are older than some age, so what
// is younger than the oldest file is all there, and the rate is what came since. Without a file as old as the volume, files get about as
// old as the oldest: the gap to the next one, and a sweep, are the bounds.
func FromAges(a Ages, d Declared) Estimate {
	e := Estimate{Phase: TooEarly, Peak: a.Bytes}
	if a.Files <= 0 || a.Oldest <= 0 {
		return e
	}
	e.BytesPerFile = float64(a.Bytes) / float64(a.Files)
	// The oldest file opens the time and does not count in it.
	counted := float64(a.Files - 1)
	if counted < fewestListed {
		return e
	}
	e.Observed = a.Oldest
	perMinute := counted / a.Oldest.Minutes()
	dispersion, deviations := a.dispersion(perMinute)
	e.Batch = dispersion
	relative := deviations * math.Sqrt(dispersion/counted)
	e.CreatedPerMinute = perMinute
	e.Rate = Interval{Low: max(0, perMinute*(1-relative)), High: perMinute * (1 + relative)}
	if float64(a.Oldest) >= keptShare*float64(a.Running) {
		e.Phase = Filling
		return e
	}
	e.Phase = Steady
	sweep := d.SweepInterval
	if sweep <= 0 {
		sweep = defaultSweep
	}
	gap := time.Duration(longestGap / perMinute * float64(time.Minute))
	e.Retention = a.Oldest
	e.RetentionInterval = [2]time.Duration{max(0, a.Oldest-sweep), a.Oldest + gap}
	return e
}

// dispersion returns the variance of the files of a stretch of ages divided by their mean, at least 1, which is that of files that come
// independently of each other, and by how many standard deviations an interval is wide on either side: few stretches do not tell well.
func (a Ages) dispersion(perMinute float64) (dispersion, deviations float64) {
	var squares, bands float64
	var from Younger
	for _, to := range append(slices.Clone(a.Younger), Younger{a.Oldest, a.Files}) {
		expected := perMinute * (to.Age - from.Age).Minutes()
		if to.Age > a.Oldest || expected < fewestInBand {
			continue
		}
		off := float64(to.Files-from.Files) - expected
		squares += off * off / expected
		bands++
		from = to
	}
	if bands < 2 {
		return 1, normal()
	}
	return max(1, squares/(bands-1)), distuv.StudentsT{Mu: 0, Sigma: 1, Nu: bands - 1}.Quantile((1 + confidence) / 2)
}

package usage

import (
	"math"
	"slices"
	"time"
)

// Point is a sample of a Series, with what had happened to the volume until then.
type Point struct {
	Time time.Time
	// Used and InodesUsed are as in Sample.
	Used, InodesUsed int64
	// Written is how many bytes of pages were written since the series began, what was there then
	// included, as far as samples show it: what is written between two samples of which the second
	// has less is taken to be what was written before on average.
	Written float64
	// Changes counts the steps from one sample to the next at which the level changed, and Drops
	// those at which it fell, since the series began.
	Changes, Drops int
}

// Expiry is the moment at which files began to be deleted as fast as others came.
type Expiry struct {
	// After and Before are the samples between which the first of these deletions was.
	After, Before time.Time
	// Changes and Drops are those of the Point just before.
	Changes, Drops int
}

// Series is what is known of one volume, in bounded memory: all samples of late, and of those
// before some, evenly spread.
type Series struct {
	// Start is when the volume was made, empty; zero if it is not known.
	Start time.Time

	max    int
	points []Point
	last   Sample

	peak     int64
	peakTime time.Time

	// rate is what was written a second of late, in bytes, where samples show it; rated how many
	// seconds that is from.
	rate, rated float64
	// residual and written are the squared differences between what was written in a step and what
	// the rate let expect, and what was written: their quotient is the Dispersion.
	residual, written float64

	// emptyAt is the last sample at which nothing had been written since the volume was made or
	// emptied; zero if there is none.
	emptyAt time.Time
	emptied int

	expiry    *Expiry
	candidate candidate
}

// candidate is a drop that may be the first of many.
type candidate struct {
	Expiry
	active bool
	level  int64 // just before it
	rate   float64
	steps  int
}

const (
	// DefaultPoints is how many points a Series keeps: 10 KiB.
	DefaultPoints = 192
	// recentPoints are those that are never thinned out.
	recentPoints = 48
	// candidateSteps is how many steps a drop is watched before it counts as the first of many, and
	// candidateShare the part of the volume's age that it is watched at least.
	candidateSteps = 6
	candidateShare = 0.05
	// emptiedShare is which part of the volume a single step must take away to be a cleaning and
	// not a sweep.
	emptiedShare = 0.8
	// ratedSteps is how many steps the rate of late is from.
	ratedSteps = 32
)

// NewSeries returns a Series of a volume that was made at start (zero if that is not known) that
// keeps at most so many points; fewer than 128 count as 128.
func NewSeries(start time.Time, maxPoints int) *Series {
	return &Series{Start: start, max: max(maxPoints, 128)}
}

// Add adds a sample. One that is not later than the last is left out: sources repeat themselves.
// Samples are expected to be valid.
func (s *Series) Add(x Sample) {
	if len(s.points) == 0 {
		s.begin(x)
		return
	}
	before := s.points[len(s.points)-1]
	seconds := x.Time.Sub(before.Time).Seconds()
	if seconds <= 0 {
		return
	}
	p := before
	p.Time, p.Used, p.InodesUsed = x.Time, x.Used, x.InodesUsed
	change := x.Used - before.Used
	switch {
	case change >= 0 && s.last.Capacity-before.Used < smallestPage:
		p.Written += s.rate * seconds // what was refused is not seen
	case change > 0:
		p.Changes++
		fallthrough
	case change == 0:
		s.grew(seconds, float64(change))
		p.Written += float64(change)
	default:
		p.Changes++
		p.Drops++
		p.Written += s.rate * seconds
		if float64(-change) > emptiedShare*float64(before.Used) && s.expiry == nil {
			s.wasEmptied(x)
			p.Written = before.Written + float64(x.Used)
		}
	}
	if x.Used == 0 && s.rated == 0 {
		s.emptyAt = x.Time
	}
	s.watch(&before, &p)
	if x.Used > s.peak {
		s.peak, s.peakTime = x.Used, x.Time
	}
	s.last = x
	s.points = append(s.points, p)
	s.thin()
}

func (s *Series) begin(x Sample) {
	if x.Used == 0 {
		s.emptyAt = x.Time
	}
	s.last, s.peak, s.peakTime = x, x.Used, x.Time
	s.points = append(s.points, Point{Time: x.Time, Used: x.Used, InodesUsed: x.InodesUsed, Written: float64(x.Used)})
}

// grew notes a step without a visible deletion.
func (s *Series) grew(seconds, bytes float64) {
	if s.rated == 0 && bytes == 0 {
		return // before the first file
	}
	if s.rated > 0 {
		off := bytes - s.rate*seconds
		s.residual += off * off
		s.written += bytes
	}
	// A mean that forgets: of the last steps, and of all while there are few.
	weight := max(seconds/(s.rated+seconds), 1.0/ratedSteps)
	s.rate += weight * (bytes/seconds - s.rate)
	s.rated += seconds
}

// wasEmptied begins again after somebody has deleted nearly everything.
func (s *Series) wasEmptied(x Sample) {
	s.emptied++
	s.emptyAt = x.Time
	s.candidate = candidate{}
}

// watch looks for the first of many drops: one after which the level grows by less than half of
// what it did before.
func (s *Series) watch(before, p *Point) {
	if s.expiry != nil {
		return
	}
	c := &s.candidate
	if !c.active {
		if p.Used < before.Used && s.rated > 0 && !p.Time.Equal(s.emptyAt) {
			*c = candidate{Expiry: Expiry{After: before.Time, Before: p.Time, Changes: before.Changes, Drops: before.Drops}, active: true, level: before.Used, rate: s.rate}
		}
		return
	}
	c.steps++
	elapsed, age := p.Time.Sub(c.After), c.After.Sub(s.Begin())
	if c.steps < candidateSteps || elapsed.Seconds() < candidateShare*age.Seconds() {
		return
	}
	c.active = false
	if float64(p.Used-c.level) < c.rate*elapsed.Seconds()/2 {
		found := c.Expiry
		s.expiry = &found
	}
	c.steps = 0
}

// thin drops a point when there are too many: among the older ones, the one whose neighbors are
// closest to each other.
func (s *Series) thin() {
	if len(s.points) <= s.max {
		return
	}
	least, gap := 1, time.Duration(math.MaxInt64)
	for i := 1; i < len(s.points)-recentPoints; i++ {
		if d := s.points[i+1].Time.Sub(s.points[i-1].Time); d < gap {
			least, gap = i, d
		}
	}
	s.points = slices.Delete(s.points, least, least+1)
}

// Len returns how many points there are, and Last the last sample; zero if there is none.
func (s *Series) Len() int { return len(s.points) }

// Last returns the last sample; zero if there is none.
func (s *Series) Last() Sample { return s.last }

// Points returns the points, oldest first.
func (s *Series) Points() []Point { return slices.Clone(s.points) }

// Peak returns the most bytes that were in use, and when.
func (s *Series) Peak() (bytes int64, at time.Time) { return s.peak, s.peakTime }

// Expiry returns when files began to be deleted as fast as others came; nil if that was not seen.
func (s *Series) Expiry() *Expiry { return s.expiry }

// Emptied returns how often a single step took away more than four fifths of what was there.
func (s *Series) Emptied() int { return s.emptied }

// Begin returns when the first of the files that are counted may have come: the last moment at
// which the volume is known to have been empty, or else the first sample.
func (s *Series) Begin() time.Time {
	switch {
	case !s.emptyAt.IsZero():
		return s.emptyAt
	case !s.Start.IsZero() && len(s.points) > 0 && s.Start.Before(s.points[0].Time):
		return s.Start
	case len(s.points) > 0:
		return s.points[0].Time
	default:
		return s.Start
	}
}

// Rate returns how many bytes a second were written of late, where samples show it; 0 if nothing
// was.
func (s *Series) Rate() float64 { return s.rate }

// Dispersion returns the variance of what is written in a step divided by its mean, in bytes: the
// pages of a file if files come independently of each other, and of a batch if they come in
// batches. 0 if it is not known.
func (s *Series) Dispersion() float64 {
	if s.written <= 0 {
		return 0
	}
	return s.residual / s.written
}

// WrittenAt returns Point.Written at a time, between points by linear interpolation, and at the
// ends for times beyond them.
func (s *Series) WrittenAt(t time.Time) float64 {
	i, found := slices.BinarySearchFunc(s.points, t, func(p Point, t time.Time) int { return p.Time.Compare(t) })
	switch {
	case len(s.points) == 0:
		return 0
	case found:
		return s.points[i].Written
	case i == 0:
		return s.points[0].Written
	case i == len(s.points):
		return s.points[i-1].Written
	}
	a, b := &s.points[i-1], &s.points[i]
	part := t.Sub(a.Time).Seconds() / b.Time.Sub(a.Time).Seconds()
	return a.Written + part*(b.Written-a.Written)
}

// Level returns the mean number of bytes in use since a time, and the most.
func (s *Series) Level(since time.Time) (mean float64, most int64) {
	var sum, seconds float64
	for i := range s.points {
		p := &s.points[i]
		if p.Time.Before(since) {
			continue
		}
		most = max(most, p.Used)
		if i > 0 && !s.points[i-1].Time.Before(since) {
			d := p.Time.Sub(s.points[i-1].Time).Seconds()
			sum += d * float64(p.Used+s.points[i-1].Used) / 2
			seconds += d
		}
	}
	if !s.peakTime.Before(since) {
		most = max(most, s.peak)
	}
	if seconds == 0 {
		return float64(s.last.Used), most
	}
	return sum / seconds, most
}

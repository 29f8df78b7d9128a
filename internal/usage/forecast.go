package usage

import (
	"math"
	"time"
)

// Outlook is what a forecast has to know beside the samples.
type Outlook struct {
	// Retention is how old files get, learned or declared; 0 if it is not known. Before the first
	// file is as old, the level grows, and from then on it does not: a volume that is not full by
	// then will not be.
	Retention time.Duration
	// SweepInterval is how often old files are deleted: a level that rises between two sweeps does
	// not grow. 0 counts as 5 minutes.
	SweepInterval time.Duration
}

// Forecast says when a volume fills.
type Forecast struct {
	// FillRate is by how many bytes a second the level grows, or falls if it is negative.
	FillRate float64
	// SecondsUntilFull counts from the last sample: 0 for a full volume, +Inf for one that does not
	// fill.
	SecondsUntilFull float64
}

const (
	// smallestPage is that of most kernels: a volume with less free takes no further file.
	smallestPage = 4 << 10
	// shortestWindow and longestWindow bound the time that a forecast looks back.
	shortestWindow = time.Hour
	longestWindow  = 7 * 24 * time.Hour
	// sweepsToSee is how many sweeps it has in it at least.
	sweepsToSee = 4
	// fewestPoints is how many samples it looks back at least.
	fewestPoints = 8
	// neverAfter is a year: a volume that takes longer does not fill.
	neverAfter = 366 * 24 * time.Hour
)

// Forecast looks ahead from the last sample. The rate is the slope of the level, by least squares
// over a window that is as long as what it looks ahead: what fills in three days is judged by the
// last three days, nights included, and what fills in an hour by the last hour. The window is from
// an hour to a week, has at least 8 samples, and at least four sweeps.
func (s *Series) Forecast(o Outlook) Forecast {
	never := Forecast{SecondsUntilFull: math.Inf(1)}
	if len(s.points) == 0 {
		return never
	}
	free := s.last.Capacity - s.last.Used
	sweep := o.SweepInterval
	if sweep <= 0 {
		sweep = 5 * time.Minute
	}
	least := min(max(shortestWindow, sweepsToSee*sweep), longestWindow)
	window, out := longestWindow, never
	for range 4 {
		out.FillRate = s.slope(s.windowFrom(window, o))
		if out.FillRate <= 0 {
			break
		}
		next := min(max(durationOf(float64(free)/out.FillRate), least), longestWindow)
		if next == window {
			break
		}
		window = next
	}
	switch {
	case free < smallestPage:
		out.SecondsUntilFull = 0
	case out.FillRate > 0:
		out.SecondsUntilFull = float64(free) / out.FillRate
	}
	if out.SecondsUntilFull > neverAfter.Seconds() || out.SecondsUntilFull > 0 && s.expiresBefore(out.SecondsUntilFull, o) {
		out.SecondsUntilFull = math.Inf(1)
	}
	return out
}

// windowFrom returns when the window of a length begins: not before files began to expire, if that
// is long enough ago.
func (s *Series) windowFrom(length time.Duration, o Outlook) time.Time {
	from := s.last.Time.Add(-length)
	if o.Retention <= 0 || s.Begin().IsZero() {
		return from
	}
	expired := s.Begin().Add(o.Retention)
	if s.last.Time.After(expired.Add((1+sweepsToSee)*o.SweepInterval)) && expired.After(from) {
		return expired
	}
	return from
}

// expiresBefore reports whether the first files are deleted before so many seconds have passed.
func (s *Series) expiresBefore(seconds float64, o Outlook) bool {
	if o.Retention <= 0 || s.Begin().IsZero() {
		return false
	}
	// Whether files go as others come shows after some sweeps.
	expires := s.Begin().Add(o.Retention + o.SweepInterval)
	return s.last.Time.Before(expires.Add(sweepsToSee*o.SweepInterval)) && s.last.Time.Add(time.Duration(seconds*float64(time.Second))).After(expires)
}

func durationOf(seconds float64) time.Duration {
	if seconds >= longestWindow.Seconds() {
		return longestWindow
	}
	return time.Duration(seconds * float64(time.Second))
}

// slope returns the growth of the level in bytes a second, by least squares over the points since a
// time, each with the time that it stands for as its weight. If these are too few, earlier ones are
// added.
func (s *Series) slope(from time.Time) float64 {
	n := len(s.points)
	first := n - 1
	for first > 0 && (n-first < fewestPoints || !s.points[first-1].Time.Before(from)) {
		first--
	}
	points := s.points[first:]
	if len(points) < 2 {
		return s.slopeSinceStart()
	}
	var weights, times, levels, products, squares float64
	for i := range points {
		w := 0.0
		if i > 0 {
			w += points[i].Time.Sub(points[i-1].Time).Seconds()
		}
		if i < len(points)-1 {
			w += points[i+1].Time.Sub(points[i].Time).Seconds()
		}
		// From the last point, so that the sums stay small.
		t, level := points[i].Time.Sub(s.last.Time).Seconds(), float64(points[i].Used-s.last.Used)
		weights += w
		times += w * t
		levels += w * level
		products += w * t * level
		squares += w * t * t
	}
	spread := squares - times*times/weights
	if spread <= 0 {
		return 0
	}
	return (products - times*levels/weights) / spread
}

// slopeSinceStart returns the growth if there is one sample only: the volume was empty at its
// start.
func (s *Series) slopeSinceStart() float64 {
	age := s.last.Time.Sub(s.Begin()).Seconds()
	if age <= 0 {
		return 0
	}
	return float64(s.last.Used) / age
}

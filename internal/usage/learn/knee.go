package learn

import (
	"math"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/usage"
)

const (
	// fewestBeforeKnee is how many steps before a knee tell how much steps differ by chance.
	fewestBeforeKnee = 5
	// kneeDeviations is by how many standard deviations the growth after a knee must fall short of the slope before it. Every sample is
	// tried, so it is more than one test would need.
	kneeDeviations = 5
	// flatShare is the most that the level may grow after a knee, as a part of the slope before it: a night in which a quarter of
	// the files come as by day is not a knee.
	flatShare = 0.2
	// manySweeps is how many sweeps lie in a step between samples if what they delete may hide behind what comes.
	manySweeps = 2
)

// knee returns the last point at which the level of files that came since a time still grew as before; the last point if it always did.
//
// When the first files expire the level stops growing, and a slope over the whole would be too low. A few samples are not enough to
// be sure of a level, as Series.Expiry is, but enough to end the slope where it ended: each split of the samples is tried, and the one
// after which growth drops by the most standard deviations wins, if they are enough. The level has to be flat in both halves
// of what follows, as after a single deletion it goes on growing, and it has to move, as it does not when nothing comes.
func (l *learner) knee(begin time.Time) usage.Point {
	var points []usage.Point
	for i := range l.points {
		if !l.points[i].Time.Before(begin) {
			points = append(points, l.points[i])
		}
	}
	last := l.points[len(l.points)-1]
	best, most := last, float64(kneeDeviations)
	for k := fewestBeforeKnee; k < len(points)-1; k++ {
		s := slopeOf(points[:k+1], l.e.BytesPerFile)
		if s.mean <= 0 {
			continue
		}
		tail := points[k:]
		if !l.moves(tail) || !s.isFlat(tail) {
			continue
		}
		if d := s.deviations(tail[0], last); d > most {
			// The step before may have been cut short already.
			best, most = points[k-1], d
		}
	}
	return best
}

// moves reports whether files come and are deleted: samples see drops, or are too far apart to see them.
func (l *learner) moves(tail []usage.Point) bool {
	first, last := tail[0], tail[len(tail)-1]
	steps := len(tail) - 1
	if last.Drops > first.Drops {
		return true
	}
	far := last.Time.Sub(first.Time) >= time.Duration(steps)*manySweeps*l.d.SweepInterval
	return far && 2*(last.Changes-first.Changes) > steps
}

// slope is how a level grows, in bytes a second.
type slope struct {
	mean float64
	// variance is that of a second's growth.
	variance float64
	seconds  float64 // that it is from
}

// slopeOf returns the slope of points, whose variance is at least that of files that come independently of each other.
func slopeOf(points []usage.Point, bytesPerFile float64) slope {
	first, last := points[0], points[len(points)-1]
	s := slope{seconds: last.Time.Sub(first.Time).Seconds()}
	if s.seconds <= 0 {
		return slope{}
	}
	s.mean = (last.Written - first.Written) / s.seconds
	var squares float64
	for i := 1; i < len(points); i++ {
		d := points[i].Time.Sub(points[i-1].Time).Seconds()
		off := points[i].Written - points[i-1].Written - s.mean*d
		squares += off * off / d
	}
	s.variance = max(squares/float64(len(points)-2), s.mean*bytesPerFile)
	return s
}

// isFlat reports whether the level hardly grows, as a whole and in both halves.
func (s slope) isFlat(tail []usage.Point) bool {
	first, half, last := tail[0], tail[len(tail)/2], tail[len(tail)-1]
	return s.share(first, last) <= flatShare && s.share(first, half) <= flatShare && s.share(half, last) <= flatShare
}

// share returns how much the level grew between two points, as a part of what the slope lets expect.
func (s slope) share(a, b usage.Point) float64 {
	return float64(b.Used-a.Used) / max(1, s.mean*b.Time.Sub(a.Time).Seconds())
}

// deviations returns by how many standard deviations the level grew less than the slope lets expect.
func (s slope) deviations(a, b usage.Point) float64 {
	d := b.Time.Sub(a.Time).Seconds()
	missing := s.mean*d - float64(b.Used-a.Used)
	return missing / math.Sqrt(s.variance*d*(1+d/s.seconds))
}

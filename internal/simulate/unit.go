package simulate

import (
	"time"
)

// Unit represents the unit of time in which curves are shown.
type Unit time.Duration

// The units that a table counts in and an axis is labeled with.
const (
	Minute = Unit(time.Minute)
	Hour   = Unit(time.Hour)
	Day    = Unit(24 * time.Hour)
)

// UnitFor returns the largest unit of which a span holds at least two: days from two days, hours from two hours, minutes below.
func UnitFor(span time.Duration) Unit {
	for _, u := range []Unit{Day, Hour} {
		if span >= 2*time.Duration(u) {
			return u
		}
	}
	return Minute
}

// String returns the unit's name in the singular.
func (u Unit) String() string {
	switch u {
	case Day:
		return "day"
	case Hour:
		return "hour"
	case Minute:
		return "minute"
	}
	return time.Duration(u).String()
}

// count returns a time in units.
func (u Unit) count(d time.Duration) float64 {
	return float64(d) / float64(u)
}

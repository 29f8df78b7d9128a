package simulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const mebibyte = 1 << 20

// grouped writes n with a comma between groups of three digits.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// mebibytes writes bytes as MiB with one decimal.
func mebibytes(bytes int64) string {
	return strconv.FormatFloat(float64(bytes)/mebibyte, 'f', 1, 64)
}

// percent writes the part as a percentage of the whole, rounded down: what is not full is never called 100 %.
func percent(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", math.Floor(float64(part)/float64(whole)*100))
}

// humanDuration writes a time in its two largest units, cut off below them: "15 h 10 min", "7 d", "4 s".
func humanDuration(d time.Duration) string {
	units := []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.length, u.name)
		if i+1 == len(units) {
			return text
		}
		if rest := d % u.length / units[i+1].length; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
		}
		return text
	}
	return d.String()
}

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

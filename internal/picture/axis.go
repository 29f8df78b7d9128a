package picture

import (
	"math"
	"strconv"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// Axis represents values from 0 to Top, with ticks at round ones.
type Axis struct {
	Top   float64
	ticks []tick
	unit  string // which the last tick names
}

// tick represents a round value.
type tick struct {
	at          float64
	label, unit string
}

// The most ticks of an axis: fewer are read faster.
const (
	mostTimeTicks = 8
	mostTicks     = 6
)

// unit represents a unit in which an axis counts, with the steps from one tick to the next that people count it in, smallest first.
type unit struct {
	length float64
	name   string
	steps  []float64
}

var (
	smallSteps = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500}
	timeUnits  = []unit{
		{1, "ns", smallSteps},
		{float64(time.Microsecond), "µs", smallSteps},
		{float64(time.Millisecond), "ms", smallSteps},
		{float64(time.Second), "seconds", []float64{1, 2, 5, 10, 15, 30, 60}},
		{float64(time.Minute), "minutes", []float64{1, 2, 5, 10, 15, 30, 60}},
		{float64(time.Hour), "hours", []float64{1, 2, 3, 6, 12, 24}},
		{float64(24 * time.Hour), "days", []float64{1, 2, 7, 14, 28, 91, 182, 365}},
	}
	byteSteps = []float64{0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
	byteUnits = []unit{
		{1, "B", byteSteps}, {1 << 10, "KiB", byteSteps}, {1 << 20, "MiB", byteSteps}, {1 << 30, "GiB", byteSteps}, {1 << 40, "TiB", byteSteps}, {1 << 50, "PiB", byteSteps}, {1 << 60, "EiB", byteSteps},
	}
)

// TimeAxis returns an axis of nanoseconds that counts in the largest unit of which it has at least two.
func TimeAxis(span time.Duration) Axis {
	u := timeUnits[0]
	for _, larger := range timeUnits[1:] {
		if float64(span) >= 2*larger.length {
			u = larger
		}
	}
	return u.axis(float64(span), mostTimeTicks)
}

// BytesAxis returns an axis that counts in the largest binary unit of which it has at least one.
func BytesAxis(top float64) Axis {
	return unitOf(top).axis(top, mostTicks)
}

// NumberAxis returns an axis that counts in steps of 1, 2 and 5 times a power of ten, with at most so many steps.
func NumberAxis(top float64, unitName string, steps int) Axis {
	u := unit{length: 1, name: unitName}
	for power := math.Pow(10, math.Floor(math.Log10(max(top, 1e-9)))-1); len(u.steps) < 9; power *= 10 {
		u.steps = append(u.steps, power, 2*power, 5*power)
	}
	return u.axis(top, steps)
}

// axis returns the ticks at whole multiples of the smallest step that gives no more of them than asked for. Beyond the last step it
// doubles, and before the first it halves until there are two.
func (u unit) axis(top float64, most int) Axis {
	if !(top > 0) { // also NaN
		top = u.length
	}
	a := Axis{Top: top, unit: u.name}
	count := top / u.length
	step := u.steps[0]
	for count < 2*step {
		step /= 2
	}
	for i := 1; count/step > float64(most); i++ {
		step *= 2
		if i < len(u.steps) {
			step = u.steps[i]
		}
	}
	for n := 0.0; n*step <= count*(1+1e-9); n++ {
		a.ticks = append(a.ticks, tick{at: n * step * u.length, label: label(n*step, 4)})
	}
	return a
}

// Size returns a number of bytes in the largest binary unit of which it has at least one, with three digits:
// "897 MiB", "1.14 GiB".
func Size(bytes float64) string {
	u := unitOf(bytes)
	return label(bytes/u.length, 3) + " " + u.name
}

// unitOf returns the largest binary unit of which there is at least one.
func unitOf(bytes float64) unit {
	u := byteUnits[0]
	for _, larger := range byteUnits[1:] {
		if bytes >= larger.length {
			u = larger
		}
	}
	return u
}

// label returns a number as people write it, with so many digits, and with all that it has before the decimal point.
func label(f float64, digits int) string {
	if f >= 1000 {
		return human.Count(int64(math.Round(f)))
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', digits, 64), 64)
	if err != nil {
		rounded = f // cannot be: it was a number
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

func (t tick) String() string {
	if t.unit == "" {
		return t.label
	}
	return t.label + " " + t.unit
}

package simulate

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/picture"
)

const (
	// maxPoints is how many points a line is drawn from: more than a picture has columns of pixels would only make it heavy.
	maxPoints = 500
	// farLimit is how many times the highest use a size may be before its line is left out, so that one roomy volume does
	// not press the curves to the floor.
	farLimit = 1.6
	headroom = 1.06
)

// Picture returns the bytes used over time: a line for each volume, a dot where it refused its first file, and a dashed line at the
// size of a volume that does not fill. inputs says what was played, and computed is the name of the volume whose size was computed. A
// line of more than 500 samples is drawn from the fullest of each group of neighbors. A size far above everything used has no line.
//
// It fails on curves that are not of one run.
func Picture(curves []Curve, inputs, computed string) (*picture.Chart, error) {
	if err := checkCurves(curves); err != nil {
		return nil, err
	}
	peakBytes := int64(0)
	for _, c := range curves {
		peakBytes = max(peakBytes, c.PeakBytes)
	}
	out := &picture.Chart{Title: message(curves), Inputs: inputs, X: picture.TimeAxis(spanOf(curves))}
	top := float64(peakBytes)
	// The larger lies on top: what fills leaves the line of what holds.
	for _, c := range smallestFirst(curves) {
		line := picture.Curve{Role: role(c, computed), Points: points(c)}
		name := picture.Label{Name: name(c.Volume), Detail: detail(c)}
		switch {
		case c.FirstENOSPC != Never:
			line.Label = name
			line.Marks = []picture.Point{refusal(c)}
		case float64(c.Volume.Bytes) <= farLimit*float64(peakBytes):
			out.Levels = append(out.Levels, picture.Level{Label: name, Role: line.Role, At: float64(c.Volume.Bytes)})
			top = max(top, float64(c.Volume.Bytes))
		default:
			line.Label = name
			line.Detail += "; the size itself lies above the picture"
		}
		out.Curves = append(out.Curves, line)
	}
	out.Y = picture.BytesAxis(top * headroom)
	return out, nil
}

// role returns what a curve means.
func role(c Curve, computed string) picture.Role {
	switch {
	case c.FirstENOSPC != Never:
		return picture.Fills
	case c.Volume.Name == computed:
		return picture.Computed
	default:
		return picture.Holds
	}
}

// name returns the size of a volume and its name, such as "64Mi default".
func name(v Volume) string {
	if label := v.Label(); label == v.Name {
		return label
	}
	return v.Size() + " " + v.Name
}

func detail(c Curve) string {
	switch {
	case c.FirstENOSPC != Never:
		return "full after " + human.Duration(c.FirstENOSPC)
	case c.Peak == c.Capacity:
		return "full at times, but refuses nothing"
	default:
		return "at most " + human.Percent(c.PeakBytes, c.Volume.Bytes) + " full"
	}
}

// message says in a line what the curves show: what fills first and last, and the smallest size that holds.
func message(curves []Curve) string {
	var fills, holds []Curve
	for _, c := range smallestFirst(curves) {
		if c.FirstENOSPC != Never {
			fills = append(fills, c)
		} else {
			holds = append(holds, c)
		}
	}
	var parts []string
	if len(fills) > 0 {
		parts = append(parts, fills[0].Volume.Size()+" fills in "+picture.Bind(About(fills[0].FirstENOSPC)))
	}
	if last := len(fills) - 1; last > 0 {
		parts[0] += ", " + fills[last].Volume.Size() + " in " + picture.Bind(About(fills[last].FirstENOSPC))
	}
	if len(holds) > 0 {
		parts = append(parts, holds[0].Volume.Size()+" holds")
	}
	return strings.Join(parts, "; ")
}

// About returns a length of time as people say it, in one unit, rounded: "15 hours", "2.5 days".
func About(d time.Duration) string {
	in := func(unit time.Duration, decimals float64, name string) string {
		n := math.Round(float64(d)/float64(unit)*decimals) / decimals
		if n == 1 {
			return "1 " + name
		}
		return strconv.FormatFloat(n, 'f', -1, 64) + " " + name + "s"
	}
	switch {
	case d < 2*time.Minute:
		return in(time.Second, 1, "second")
	case d < 2*time.Hour:
		return in(time.Minute, 1, "minute")
	case d < 48*time.Hour:
		return in(time.Hour, 1, "hour")
	case d < 10*24*time.Hour:
		return in(24*time.Hour, 2, "day")
	default:
		return in(24*time.Hour, 1, "day")
	}
}

func smallestFirst(curves []Curve) []Curve {
	return slices.SortedStableFunc(slices.Values(curves), func(a, b Curve) int { return cmp.Compare(a.Volume.Bytes, b.Volume.Bytes) })
}

// points returns the curve, thinned, with the moment of the first refusal as a point of its own: between two samples a small volume
// may be full long before the later one.
func points(c Curve) []picture.Point {
	group := (len(c.Samples) + maxPoints - 1) / maxPoints
	out := []picture.Point{point(c.Samples[0])}
	for samples := range slices.Chunk(c.Samples[1:], group) {
		out = append(out, point(slices.MaxFunc(samples, func(a, b Sample) int { return cmp.Compare(a.Bytes, b.Bytes) })))
	}
	if last := point(c.Samples[len(c.Samples)-1]); last != out[len(out)-1] {
		out = append(out, last)
	}
	if c.FirstENOSPC != Never {
		full := refusal(c)
		at, _ := slices.BinarySearchFunc(out, full, func(a, b picture.Point) int { return cmp.Compare(a.X, b.X) })
		out = slices.Insert(out, at, full)
	}
	return out
}

func point(s Sample) picture.Point { return picture.Point{X: float64(s.Time), Y: float64(s.Bytes)} }

// refusal returns the point at which the first file was refused: there the volume holds as many files as it ever will.
func refusal(c Curve) picture.Point {
	return picture.Point{X: float64(c.FirstENOSPC), Y: float64(c.PeakBytes)}
}

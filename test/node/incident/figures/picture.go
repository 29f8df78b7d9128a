package figures

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/picture"
)

// Curve is what the volume of one scenario has held over time.
type Curve struct {
	Scenario int `json:"scenario"` // of docs/explanation/incident.md
	// Name says what was mounted, and Detail the outcome.
	Name   string `json:"name"`
	Detail string `json:"detail"`
	// SizeMiB is the size of the volume.
	SizeMiB float64 `json:"sizeMiB"`
	Points  Points  `json:"points"`
}

// Points are hours since the Pod began and MiB in use, in order of time. In JSON they are one line, in which a
// space separates the two.
type Points [][2]float64

// MarshalText returns the points as a line.
func (p Points) MarshalText() ([]byte, error) {
	words := make([]string, len(p))
	for i, at := range p {
		words[i] = fmt.Sprintf("%.2f %.2f", at[0], at[1])
	}
	return []byte(strings.Join(words, ", ")), nil
}

// UnmarshalText reads what MarshalText returns.
func (p *Points) UnmarshalText(line []byte) error {
	*p = nil
	for words := range strings.SplitSeq(string(line), ", ") {
		var at [2]float64
		if _, err := fmt.Sscanf(words, "%g %g", &at[0], &at[1]); err != nil {
			return fmt.Errorf("point %q is not hours and MiB: %w", words, err)
		}
		*p = append(*p, at)
	}
	return nil
}

// The scenarios of which there is a curve.
const (
	byDefault = iota + 1
	byHand
	computed
	cutShort
)

const mib = 1 << 20

// Draw returns the picture of the curves of a run, as SVG.
func (r Run) Draw() ([]byte, error) {
	curves := slices.SortedFunc(slices.Values(r.Curves), func(a, b Curve) int { return cmp.Compare(a.Scenario, b.Scenario) })
	if len(curves) != cutShort {
		return nil, fmt.Errorf("%d scenarios have curves instead of %d: write them with `make test-node UPDATE=1`", len(curves), cutShort)
	}
	chart := picture.Chart{
		Title:  "64Mi fills in 15 hours, 512Mi by hand is OOM-killed; the computed size holds",
		Inputs: "18 files a minute of 1,500 B, kept 168h, on a real kubelet with Linux " + r.Kernel,
	}
	var last, top float64
	for _, c := range curves {
		line := picture.Curve{Label: picture.Label{Name: fmt.Sprintf("%d. %s", c.Scenario, c.Name), Detail: c.Detail}, Role: picture.Fills}
		if len(c.Points) == 0 {
			return nil, fmt.Errorf("scenario %d has a curve without points: write it with `make test-node UPDATE=1`", c.Scenario)
		}
		for _, p := range c.Points {
			last, top = max(last, p[0]), max(top, p[1])
			line.Points = append(line.Points, picture.Point{X: p[0] * float64(time.Hour), Y: p[1] * mib})
		}
		if c.Scenario == computed {
			chart.Levels = []picture.Level{{Label: line.Label, Role: picture.Computed, At: c.SizeMiB * mib}}
			line.Label, line.Role = picture.Label{}, picture.Computed
			top = max(top, c.SizeMiB)
		} else {
			line.Marks = []picture.Point{full(line.Points)}
		}
		chart.Curves = append(chart.Curves, line)
	}
	// The others leave the line of the computed size, and so lie below it.
	slices.SortStableFunc(chart.Curves, func(a, b picture.Curve) int { return cmp.Compare(len(b.Marks), len(a.Marks)) })
	chart.X, chart.Y = picture.TimeAxis(time.Duration(math.Ceil(last/24))*24*time.Hour), picture.BytesAxis(top*1.05*mib)
	var b bytes.Buffer
	err := chart.Write(&b, "svg")
	return b.Bytes(), err
}

// full returns the first point at which a volume holds all but a hundredth of the most that it ever does.
func full(points []picture.Point) picture.Point {
	most := slices.MaxFunc(points, func(a, b picture.Point) int { return cmp.Compare(a.Y, b.Y) })
	return points[slices.IndexFunc(points, func(p picture.Point) bool { return p.Y >= 0.99*most.Y })]
}

// writePicture writes the picture of docs/explanation/incident.md.
func (r Run) writePicture(docs string) error {
	drawn, err := r.Draw()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(docs, "incident.svg"), drawn, 0o644); err != nil {
		return fmt.Errorf("the picture of docs/explanation/incident.md: %w", err)
	}
	return nil
}

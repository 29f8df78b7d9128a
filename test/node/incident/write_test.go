//go:build linux

package incident

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/internal/simulate"
)

// The lines of docs/incident.md between which the figures of a run stand.
const (
	figuresBegin = "<!-- figures: make test-node UPDATE=1 -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

// writeDocs writes the picture and the tables of docs/incident.md from what the tests have recorded.
func writeDocs(ctx context.Context) error {
	root, err := install.Root(ctx)
	if err != nil {
		return err
	}
	if len(curves) != 4 || len(kernelCosts) == 0 {
		return errors.New("-update: not all tests have run; leave out -run")
	}
	picture, err := draws()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "docs", "incident.png"), picture, 0o644); err != nil {
		return fmt.Errorf("the picture of docs/incident.md: %w", err)
	}
	path := filepath.Join(root, "docs", "incident.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the figures: %w", err)
	}
	before, rest, begun := strings.Cut(string(text), figuresBegin)
	_, after, ended := strings.Cut(rest, figuresEnd)
	if !begun || !ended {
		return fmt.Errorf("%s has no lines %q and %q: put them where the figures belong", path, strings.TrimSpace(figuresBegin), strings.TrimSpace(figuresEnd))
	}
	if err := os.WriteFile(path, []byte(before+figuresBegin+tables()+figuresEnd+after), 0o644); err != nil {
		return fmt.Errorf("the figures: %w", err)
	}
	return nil
}

// tables are the comparisons and the kernel memory, in Markdown.
func tables() string {
	var b strings.Builder
	slices.SortStableFunc(comparisons, func(x, y comparison) int { return cmp.Compare(x.Scenario, y.Scenario) })
	b.WriteString("| scenario | | predicted | measured | predicted / measured |\n|---|---|---|---|---|\n")
	for _, c := range comparisons {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %.3f |\n", c.Scenario, c.What, c.Predicted, c.Measured, c.Ratio)
	}
	b.WriteString("\n| bytes of a file | name | kernel memory of a file, measured | in the model |\n|---|---|---|---|\n")
	for _, k := range kernelCosts {
		fmt.Fprintf(&b, "| %d | %s | %.0f B | %d B |\n", k.Size, k.Name, k.Measured, k.Model)
	}
	return b.String()
}

// draws is the fill of the volumes over time, as a PNG.
func draws() ([]byte, error) {
	p := plot.New()
	p.Title.Text = "What /dev/shm holds, on a real kubelet"
	p.X.Label.Text = "days since the Pod began"
	p.Y.Label.Text = "MiB used"
	p.X.Min, p.Y.Min = 0, 0
	p.X.Tick.Marker = plot.ConstantTicks(days(9))
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.Gray{Y: 0xe0}
	p.Add(grid)
	p.Legend.Left, p.Legend.Top = true, true
	colours := []color.RGBA{{R: 0xd5, G: 0x5e, A: 0xff}, {R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}, {G: 0x72, B: 0xb2, A: 0xff}, {G: 0x9e, B: 0x73, A: 0xff}}
	// The longest first, so that the others, which run along with it, lie on top.
	for _, scenario := range []int{3, 4, 2, 1} {
		c := curves[scenario]
		line, err := plotter.NewLine(c.samples.points())
		if err != nil {
			return nil, fmt.Errorf("scenario %d: %w", scenario, err)
		}
		line.LineStyle = draw.LineStyle{Color: colours[scenario-1], Width: vg.Points(2)}
		end, err := plotter.NewScatter(plotter.XYs{line.XYs[len(line.XYs)-1]})
		if err != nil {
			return nil, fmt.Errorf("scenario %d: %w", scenario, err)
		}
		end.GlyphStyle = draw.GlyphStyle{Color: colours[scenario-1], Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}
		p.Add(line, end)
		p.Legend.Add(fmt.Sprintf("%d. %s", scenario, c.label), line)
	}
	var b bytes.Buffer
	if err := simulate.WritePlot(&b, p, "png", 8*vg.Inch, 5.5*vg.Inch); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func days(n int) []plot.Tick {
	var ticks []plot.Tick
	for day := range n + 1 {
		ticks = append(ticks, plot.Tick{Value: float64(day), Label: fmt.Sprint(day)})
	}
	return ticks
}

// points are the samples in days and MiB, from an empty volume on.
func (s series) points() plotter.XYs {
	points := plotter.XYs{{}}
	for i := range s {
		points = append(points, plotter.XY{X: s[i].at.Hours() / 24, Y: float64(s[i].used) / mib})
	}
	return points
}

// scenarioOf is the number that docs/incident.md gives a test.
func scenarioOf(test string) int {
	for number, name := range map[int]string{1: "TestADefault", 2: "TestTheNaive", 3: "TestAnOptedIn", 4: "TestASaturated"} {
		if strings.HasPrefix(test, name) {
			return number
		}
	}
	return 0
}

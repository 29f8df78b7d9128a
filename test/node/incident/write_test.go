//go:build linux && node

package incident

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/test/node/incident/figures"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
	"github.com/shmkeeper/shmkeeper/test/node/uml"
)

// writeDocs writes the figures of this run, docs/explanation/incident.md with them, and, where time ran faster, the picture.
func writeDocs(ctx context.Context) error {
	root, err := envtest.Root(ctx)
	if err != nil {
		return err
	}
	docs := filepath.Join(root, "docs", "explanation")
	if len(comparisons) == 0 || len(kernelCosts) == 0 || !uml.InGuest() && len(curves) != 4 {
		return errors.New("-update: not all tests have run; leave out -run")
	}
	if !uml.InGuest() {
		picture, err := draws()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(docs, "incident.png"), picture, 0o644); err != nil {
			return fmt.Errorf("the picture of docs/explanation/incident.md: %w", err)
		}
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("the release of the kernel: %w", err)
	}
	version := 1
	if isolate.V2() {
		version = 2
	}
	// What a builder of kernels appends to the number tells nothing to anybody else.
	release, _, _ := strings.Cut(unix.ByteSliceToString(name.Release[:]), "-")
	run := figures.Run{Kernel: release, Comparisons: comparisons, KernelCosts: kernelCosts}
	if err := run.Write(docs, version); err != nil {
		return err
	}
	return figures.Update(docs)
}

// draws is the fill of the volumes over time, as a PNG.
func draws() ([]byte, error) {
	p := plot.New()
	p.Title.Text = "What /dev/shm holds, on a real kubelet"
	p.X.Label.Text = "days since the Pod began"
	p.Y.Label.Text = "MiB used"
	p.X.Min, p.Y.Min = 0, 0
	p.X.Padding, p.Y.Padding = 0, 0
	p.X.Tick.Marker = plot.ConstantTicks(steps(1, 8))
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.Gray{Y: 0xe0}
	p.Add(grid)
	p.Y.Tick.Marker = plot.ConstantTicks(steps(200, 900))
	p.Legend.Left, p.Legend.Top = true, true
	p.Legend.Padding = vg.Points(4)
	sans(p)
	colours := []color.RGBA{{R: 0xd5, G: 0x5e, A: 0xff}, {R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}, {G: 0x72, B: 0xb2, A: 0xff}, {G: 0x9e, B: 0x73, A: 0xff}}
	computed := curves[3].samples
	limit, err := plotter.NewLine(plotter.XYs{{Y: mebibytes(computed[0].size)}, {X: computed[len(computed)-1].at.Hours() / 24, Y: mebibytes(computed[0].size)}})
	if err != nil {
		return nil, err
	}
	limit.LineStyle = draw.LineStyle{Color: colours[2], Width: vg.Points(0.8), Dashes: []vg.Length{5, 3}}
	p.Add(limit)
	// The longest first, so that the others, which run along with it, lie on top.
	var lines [4]*plotter.Line
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
		lines[scenario-1] = line
	}
	for i, line := range lines {
		p.Legend.Add(fmt.Sprintf("%d. %s", i+1, curves[i+1].label), line)
	}
	p.Legend.Add("the size of 3", limit)
	var b bytes.Buffer
	if err := simulate.WritePlot(&b, p, "png", 8*vg.Inch, 5.5*vg.Inch); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// steps returns the marks of an axis.
func steps(step, last int) []plot.Tick {
	var ticks []plot.Tick
	for value := 0; value <= last; value += step {
		ticks = append(ticks, plot.Tick{Value: float64(value), Label: fmt.Sprint(value)})
	}
	return ticks
}

// sans sets all text in the font of the project's other pictures.
func sans(p *plot.Plot) {
	for style, size := range map[*font.Font]vg.Length{
		&p.Title.TextStyle.Font: 14, &p.X.Label.TextStyle.Font: 11, &p.Y.Label.TextStyle.Font: 11,
		&p.X.Tick.Label.Font: 10, &p.Y.Tick.Label.Font: 10, &p.Legend.TextStyle.Font: 11,
	} {
		*style = font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
	}
}

// points returns the samples in days and MiB, from an empty volume on.
func (s series) points() plotter.XYs {
	points := plotter.XYs{{}}
	for i := range s {
		points = append(points, plotter.XY{X: s[i].at.Hours() / 24, Y: mebibytes(s[i].used)})
	}
	return points
}

func mebibytes(n int64) float64 { return float64(n) / mib }

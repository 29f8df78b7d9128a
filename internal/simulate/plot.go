package simulate

import (
	"cmp"
	"fmt"
	"image/color"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// palette is Okabe and Ito's ("Color Universal Design", 2008) without the yellow, which is too pale for a line on white, and with a
// grey: eight colours that readers of any colour vision tell apart, those that differ most first.
var palette = []color.RGBA{
	{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}, // vermilion
	{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, // blue
	{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, // green
	{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff}, // orange
	{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}, // purple
	{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff}, // sky blue
	{R: 0x77, G: 0x77, B: 0x77, A: 0xff}, // grey
	{R: 0x00, G: 0x00, B: 0x00, A: 0xff}, // black
}

const (
	mebibyte = 1 << 20
	// maxPoints is how many points a line is drawn from: more than a picture has columns of pixels would only make it heavy.
	maxPoints = 2000
	// farLimit is how many times the highest use a size limit may be before its line is left out, so that one roomy volume does
	// not press the curves to the floor.
	farLimit = 1.6
	headroom = 1.06
)

// Plot draws the MiB used over time, in the unit that suits the span: a line for each volume, its size as a dashed line, and a dot
// where the volume refused its first file. The larger a volume the thicker its line and the earlier it is drawn, so that curves
// that run together, as all do at first, stay visible on top of each other. A line of more than 2,000 samples is drawn from the
// fullest of each group of neighbours. A size far above everything used has no line; the legend says so.
//
// Draw it with WritePlot, which gives the legend a place beside the curves. It fails on curves that are not of one run, and on a
// title that is not one printable line; an empty title is left out.
func Plot(curves []Curve, title string) (*plot.Plot, error) {
	if err := checkCurves(curves); err != nil {
		return nil, err
	}
	if !printable(title) {
		return nil, fmt.Errorf("title %q is not one printable line: leave out line breaks and control characters", title)
	}
	unit := UnitFor(spanOf(curves))
	p := plot.New()
	style(p, title, unit)

	top, reach := tops(curves)
	p.X.Min, p.X.Max = 0, max(unit.count(spanOf(curves)), 1e-9)
	p.Y.Min, p.Y.Max = 0, max(reach*headroom, 1e-9)
	p.Add(horizontalGrid())

	// Limits first, then lines from the largest volume to the smallest, then dots: what matters most lies on top.
	order := largestFirst(curves)
	for _, i := range order {
		if drawable(curves[i], top) {
			p.Add(limit(curves[i], i, p.X.Max))
		}
	}
	lines := make([]*plotter.Line, len(curves))
	for rank, i := range order {
		lines[i] = line(curves[i], i, len(order)-1-rank, unit)
		p.Add(lines[i])
	}
	for _, i := range order {
		p.Add(dots(curves[i], i, unit)...)
	}
	legend(p, curves, lines, top)
	return p, nil
}

func style(p *plot.Plot, title string, unit Unit) {
	sans := func(size vg.Length) font.Font {
		return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
	}
	grey := color.Gray{Y: 0x40}
	p.Title.Text = title
	p.Title.TextStyle.Font = sans(14)
	p.Title.Padding = 12
	p.X.Label.Text = unit.String() + "s"
	p.Y.Label.Text = "MiB used"
	p.X.Tick.Marker = ticker(timeSteps[unit], maxTimeTicks)
	p.Y.Tick.Marker = ticker(mebibyteSteps, maxSizeTicks)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = sans(11)
		axis.Label.TextStyle.Color = grey
		axis.Label.Padding = 4
		axis.Tick.Label.Font = sans(10)
		axis.Tick.Label.Color = grey
		axis.Tick.Color = grey
		axis.LineStyle.Color = grey
		// Curves start on the axes and not beside them.
		axis.Padding = 0
	}
	p.Legend.TextStyle.Font = sans(11)
	p.Legend.ThumbnailWidth = 26
	p.Legend.Padding = 5
	p.Legend.Left = true
	p.Legend.Top = true
}

func horizontalGrid() *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical.Width = 0
	g.Horizontal = draw.LineStyle{Color: color.Gray{Y: 0xe8}, Width: 0.5}
	return g
}

// tops returns the largest use of all curves, and what the picture must hold: every curve, and every limit that is not far above
// them. Both are in MiB.
func tops(curves []Curve) (use, reach float64) {
	for _, c := range curves {
		use = max(use, float64(c.PeakBytes)/mebibyte)
	}
	reach = use
	for _, c := range curves {
		if drawable(c, use) {
			reach = max(reach, float64(c.Volume.Bytes)/mebibyte)
		}
	}
	return use, reach
}

// drawable reports whether the size of a volume is near enough to the use of all volumes, top in MiB, to be drawn.
func drawable(c Curve, top float64) bool {
	return float64(c.Volume.Bytes)/mebibyte <= farLimit*top
}

func largestFirst(curves []Curve) []int {
	order := make([]int, len(curves))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(curves[b].Volume.Bytes, curves[a].Volume.Bytes) })
	return order
}

func colour(i int) color.RGBA { return palette[i%len(palette)] }

// line returns the curve of volume i. Rank counts from the smallest volume.
func line(c Curve, i, rank int, unit Unit) *plotter.Line {
	return &plotter.Line{
		XYs:       points(c, unit),
		LineStyle: draw.LineStyle{Color: colour(i), Width: vg.Length(1.5 + 1.1*float64(rank))},
	}
}

// limit returns the size of volume i from the left of the picture to its right.
func limit(c Curve, i int, right float64) *plotter.Line {
	size := float64(c.Volume.Bytes) / mebibyte
	return &plotter.Line{
		XYs:       plotter.XYs{{X: 0, Y: size}, {X: right, Y: size}},
		LineStyle: limitStyle(colour(i)),
	}
}

func limitStyle(c color.Color) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: 0.8, Dashes: []vg.Length{5, 3}}
}

// points returns the curve in units of time and MiB, thinned, with the moment of the first refusal
// as a point of its own: between two samples a small volume may be full long before the later one.
func points(c Curve, unit Unit) plotter.XYs {
	group := (len(c.Samples) + maxPoints - 1) / maxPoints
	var out plotter.XYs
	for samples := range slices.Chunk(c.Samples[1:], group) {
		fullest := slices.MaxFunc(samples, func(a, b Sample) int { return cmp.Compare(a.Bytes, b.Bytes) })
		out = append(out, point(unit, fullest))
	}
	out = append(plotter.XYs{point(unit, c.Samples[0])}, out...)
	if last := point(unit, c.Samples[len(c.Samples)-1]); last != out[len(out)-1] {
		out = append(out, last)
	}
	if full, found := refusal(c, unit); found {
		at, _ := slices.BinarySearchFunc(out, full, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
		out = slices.Insert(out, at, full)
	}
	return out
}

func point(unit Unit, s Sample) plotter.XY {
	return plotter.XY{X: unit.count(s.Time), Y: float64(s.Bytes) / mebibyte}
}

// refusal returns the point at which the first file was refused: there the volume holds as many files as it ever will.
func refusal(c Curve, unit Unit) (plotter.XY, bool) {
	if c.FirstENOSPC == Never {
		return plotter.XY{}, false
	}
	return plotter.XY{X: unit.count(c.FirstENOSPC), Y: float64(c.PeakBytes) / mebibyte}, true
}

// dots returns the mark of the first refusal, ringed in black so that it shows on a line of its own colour.
func dots(c Curve, i int, unit Unit) []plot.Plotter {
	full, found := refusal(c, unit)
	if !found {
		return nil
	}
	return []plot.Plotter{
		&plotter.Scatter{XYs: plotter.XYs{full}, GlyphStyle: dotStyle(color.Black, 4.5)},
		&plotter.Scatter{XYs: plotter.XYs{full}, GlyphStyle: dotStyle(colour(i), 3)},
	}
}

func dotStyle(c color.Color, radius vg.Length) draw.GlyphStyle {
	return draw.GlyphStyle{Color: c, Radius: radius, Shape: draw.CircleGlyph{}}
}

// legend explains each line, and the dashes and dots if there are any.
func legend(p *plot.Plot, curves []Curve, lines []*plotter.Line, top float64) {
	var dashed, dotted bool
	for i, c := range curves {
		text := c.Volume.Label() + ": " + summary(c)
		dotted = dotted || c.FirstENOSPC != Never
		if drawable(c, top) {
			dashed = true
		} else {
			text += " (its size lies above the picture)"
		}
		p.Legend.Add(text, lines[i])
	}
	if dashed {
		p.Legend.Add("size of the volume", &plotter.Line{LineStyle: limitStyle(color.Gray{Y: 0x40})})
	}
	if dotted {
		p.Legend.Add("first file refused",
			&plotter.Scatter{GlyphStyle: dotStyle(color.Black, 4.5)},
			&plotter.Scatter{GlyphStyle: dotStyle(color.White, 3)})
	}
}

// Steps from one tick to the next that people count in, smallest first. Beyond the last the step doubles.
var (
	timeSteps = map[Unit][]float64{
		Minute: {1, 2, 5, 10, 15, 30, 60},
		Hour:   {1, 2, 3, 6, 12, 24},
		Day:    {1, 2, 7, 14, 28, 91, 182, 365},
	}
	mebibyteSteps = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
)

const (
	maxTimeTicks = 15
	maxSizeTicks = 9
)

// ticker labels the whole multiples of the smallest step that gives no more ticks than asked for. An axis too short for two steps
// gets the library's own ticks, which know fractions.
func ticker(steps []float64, atMost float64) plot.Ticker {
	return plot.TickerFunc(func(low, high float64) []plot.Tick {
		step := steps[0]
		if high-low < 2*step {
			return plot.DefaultTicks{}.Ticks(low, high)
		}
		for i := 1; (high-low)/step > atMost; i++ {
			step *= 2
			if i < len(steps) {
				step = steps[i]
			}
		}
		var ticks []plot.Tick
		for n := 0.0; n*step <= high; n++ {
			ticks = append(ticks, plot.Tick{Value: n * step, Label: strconv.FormatFloat(n*step, 'f', -1, 64)})
		}
		return ticks
	})
}

package simulate

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Panel is one of several things to do, drawn as how full it keeps a volume and what memory it takes.
type Panel struct {
	// Title and Text say what is done, in a line each.
	Title, Text string
	// Levels are how full the volume is, in order of time.
	Levels []Level
	// Bytes is the memory that a full volume costs, with BytesText as its words.
	Bytes     int64
	BytesText string
	// Fails reports whether the volume fills, so that writes fail.
	Fails bool
}

// Level is how full a volume is at one moment: from 0 to 1.
type Level struct {
	Time time.Duration
	Full float64
}

const (
	panelHeight = 84 * vg.Length(1) // points
	panelHead   = 74 * vg.Length(1) // of the title above and the axis below all panels
	textShare   = 0.30              // of the width
	levelShare  = 0.44
	maxPanels   = 8
)

// WritePanels writes panels one below the other as "svg" or "png": the words, how full the volume is
// over the span, and the memory as a bar, all bars on one scale. Equal panels give equal bytes. width
// is in points. It fails on no panels or more than eight, on another format, and when w does.
func WritePanels(w io.Writer, title string, panels []Panel, span time.Duration, format string, width vg.Length) error {
	if len(panels) == 0 || len(panels) > maxPanels {
		return fmt.Errorf(`panels: "%d" given: give from 1 to %d`, len(panels), maxPanels)
	}
	if span <= 0 {
		return fmt.Errorf("span %q is not above 0: give the length of time to draw", span)
	}
	height := panelHeight*vg.Length(len(panels)) + panelHead
	return write(w, func(c draw.Canvas) error { return drawPanels(c, title, panels, span) }, format, width, height)
}

func drawPanels(c draw.Canvas, title string, panels []Panel, span time.Duration) error {
	c.SetColor(color.White)
	c.Fill(c.Path())
	inner := draw.Crop(c, margin, -margin, margin, -margin)
	size := inner.Size()
	ink, soft := color.Gray{Y: 0x18}, color.Gray{Y: 0x60}
	inner.FillText(textStyle(15, ink), vg.Point{X: inner.Min.X, Y: inner.Max.Y - 14}, title)
	left, middle := size.X*textShare, size.X*levelShare
	head := inner.Max.Y - 36
	inner.FillText(textStyle(10, soft), vg.Point{X: inner.Min.X + left, Y: head}, "how full /dev/shm is")
	inner.FillText(textStyle(10, soft), vg.Point{X: inner.Min.X + left + middle + 18, Y: head}, "memory when it is full")
	var largest int64 = 1
	for _, p := range panels {
		largest = max(largest, p.Bytes)
	}
	for i, p := range panels {
		top := head - 8 - panelHeight*vg.Length(i)
		band := draw.Canvas{Canvas: inner.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: inner.Min.X, Y: top - panelHeight}, Max: vg.Point{X: inner.Max.X, Y: top},
		}}
		hue := colour(i)
		words := draw.Crop(band, 0, -(size.X - left), 0, 0)
		words.FillText(textStyle(12.5, ink), vg.Point{X: words.Min.X, Y: words.Max.Y - 30}, p.Title)
		words.FillText(textStyle(10, soft), vg.Point{X: words.Min.X, Y: words.Max.Y - 47}, p.Text)
		if err := drawLevels(draw.Crop(band, left, -(size.X-left-middle), 0, -6), &p, hue, span, i == len(panels)-1); err != nil {
			return err
		}
		bar := draw.Crop(band, left+middle+18, -76, 24, -24)
		long := bar.Size().X * vg.Length(float64(p.Bytes)/float64(largest))
		paint(bar, vg.Rectangle{Min: bar.Min, Max: vg.Point{X: bar.Min.X + long, Y: bar.Max.Y}}, hue)
		bar.FillText(textStyle(11, ink), vg.Point{X: bar.Min.X + long + 6, Y: bar.Min.Y + bar.Size().Y/2 - 4}, p.BytesText)
	}
	return nil
}

// drawLevels draws how full one volume is.
func drawLevels(c draw.Canvas, p *Panel, hue color.RGBA, span time.Duration, isLast bool) error {
	if len(p.Levels) < 2 {
		return errors.New("a panel has fewer than two levels: give at least the first and the last moment")
	}
	unit := UnitFor(span)
	graph := plot.New()
	style(graph, "", unit)
	graph.X.Label.Text, graph.Y.Label.Text = "", ""
	if isLast {
		graph.X.Label.Text = unit.String() + "s"
	}
	graph.X.Min, graph.X.Max, graph.Y.Min, graph.Y.Max = 0, unit.count(span), 0, 1.12
	graph.Y.Tick.Marker = plot.ConstantTicks([]plot.Tick{{Value: 0, Label: "0"}, {Value: 0.5}, {Value: 1, Label: "full"}})
	line := &plotter.Line{LineStyle: draw.LineStyle{Color: hue, Width: 1.8}}
	for _, l := range p.Levels {
		line.XYs = append(line.XYs, plotter.XY{X: unit.count(l.Time), Y: l.Full})
	}
	pale := hue
	pale.R, pale.G, pale.B = towardsWhite(hue.R), towardsWhite(hue.G), towardsWhite(hue.B)
	line.FillColor = pale
	full := &plotter.Line{XYs: plotter.XYs{{X: 0, Y: 1}, {X: graph.X.Max, Y: 1}}, LineStyle: limitStyle(color.Gray{Y: 0x40})}
	graph.Add(line, full)
	if p.Fails {
		for _, l := range p.Levels {
			if l.Full >= 1 {
				at := plotter.XYs{{X: unit.count(l.Time), Y: 1}}
				graph.Add(&plotter.Scatter{XYs: at, GlyphStyle: dotStyle(color.Black, 4.5)}, &plotter.Scatter{XYs: at, GlyphStyle: dotStyle(hue, 3)})
				break
			}
		}
	}
	graph.Draw(c)
	return nil
}

func towardsWhite(c uint8) uint8 { return uint8((int(c) + 4*0xff) / 5) }

func paint(c draw.Canvas, r vg.Rectangle, hue color.Color) {
	c.SetColor(hue)
	c.Fill(r.Path())
}

func textStyle(size vg.Length, ink color.Color) draw.TextStyle {
	return draw.TextStyle{
		Color: ink, Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size), Handler: plot.DefaultTextHandler,
	}
}

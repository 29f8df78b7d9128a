package main

import (
	"bytes"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Colours that readers of any colour vision tell apart, of Okabe and Ito ("Color Universal Design", 2008).
var (
	vermilion = color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}
	blue      = color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}
	grey      = color.RGBA{R: 0x77, G: 0x77, B: 0x77, A: 0xff}
)

// draw returns the four plots of growth in one PNG.
func draw(r *Results) ([]byte, error) {
	const rows, columns = 2, 2
	plots := [][]*plot.Plot{make([]*plot.Plot, columns), make([]*plot.Plot, columns)}
	for i, g := range r.Growth.tables() {
		p, err := drawGrowth(g)
		if err != nil {
			return nil, err
		}
		plots[i/columns][i%columns] = p
	}
	canvas := vgimg.NewWith(vgimg.UseWH(24*vg.Centimeter, 16*vg.Centimeter), vgimg.UseDPI(110))
	tiles := vgdraw.Tiles{Rows: rows, Cols: columns, PadX: vg.Centimeter, PadY: vg.Centimeter, PadTop: 8, PadBottom: 8, PadLeft: 8, PadRight: 8}
	for i, line := range plot.Align(plots, tiles, vgdraw.New(canvas)) {
		for j, at := range line {
			plots[i][j].Draw(at)
		}
	}
	var out bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(&out)
	return out.Bytes(), err
}

func drawGrowth(g growthTable) (*plot.Plot, error) {
	p := plot.New()
	sans := func(size vg.Length) font.Font {
		return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
	}
	p.X.Label.Text, p.Y.Label.Text = g.What, "ms for a call"
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = sans(11), sans(10)
	}
	p.Legend.TextStyle.Font, p.Legend.Left, p.Legend.Top = sans(11), true, true
	p.Y.Min = 0
	for _, line := range []struct {
		name   string
		colour color.Color
		value  func(Growth) float64
	}{
		{"mutate", vermilion, func(g Growth) float64 { return g.Mutate }},
		{"validate", blue, func(g Growth) float64 { return g.Validate }},
		{"floor", grey, func(g Growth) float64 { return g.Floor }},
	} {
		var points plotter.XYs
		for _, row := range g.Rows {
			if v := line.value(row); v > 0 {
				points = append(points, plotter.XY{X: float64(row.Value), Y: v})
				p.Y.Max = max(p.Y.Max, 1.3*v) // room for the legend
			}
		}
		if len(points) == 0 {
			continue
		}
		l, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		l.Color, l.Width = line.colour, 1.5
		dots.Color, dots.Shape = line.colour, vgdraw.CircleGlyph{}
		p.Add(l, dots)
		p.Legend.Add(line.name, l)
	}
	return p, nil
}

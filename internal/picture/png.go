package picture

import (
	"bytes"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
)

const (
	// dotsPerInch makes two dots of a pixel: sharp on a dense screen.
	dotsPerInch = 144
	// faintness is the opacity of a pale area.
	faintness = 0.2
)

// png paints a scene in the colors of the light mode.
func (s *scene) png() ([]byte, error) {
	canvas := vgimg.NewWith(vgimg.UseWH(pageWidth, vg.Length(s.height)), vgimg.UseDPI(dotsPerInch), vgimg.UseBackgroundColor(palette[Paper].light))
	// A canvas counts from the bottom.
	at := func(p Point) vg.Point { return vg.Point{X: vg.Length(p.X), Y: vg.Length(s.height - p.Y)} }
	for _, shape := range s.shapes {
		var path vg.Path
		if shape.radius > 0 {
			path.Arc(at(shape.points[0]), vg.Length(shape.radius), 0, 2*math.Pi)
		} else {
			path.Move(at(shape.points[0]))
			for _, p := range shape.points[1:] {
				path.Line(at(p))
			}
		}
		canvas.SetColor(shape.color())
		if shape.area || shape.radius > 0 {
			path.Close()
			canvas.Fill(path)
			continue
		}
		canvas.SetLineWidth(vg.Length(shape.width))
		dashes := make([]vg.Length, len(shape.dashes))
		for i, d := range shape.dashes {
			dashes[i] = vg.Length(d)
		}
		canvas.SetLineDash(dashes, 0)
		canvas.Stroke(path)
	}
	for _, t := range s.texts {
		canvas.SetColor(palette[t.role].light)
		canvas.FillString(face(t.size, t.bold), at(Point{t.extent().left, t.at.Y}), t.words)
	}
	var out bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(&out); err != nil {
		return nil, fmt.Errorf("encode the PNG: %w", err)
	}
	return out.Bytes(), nil
}

func (s shape) color() color.Color {
	c := palette[s.role].light
	if s.faint {
		return color.NRGBA{R: c.R, G: c.G, B: c.B, A: uint8(math.Round(faintness * 0xff))}
	}
	return c
}

package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A picture that WritePlot writes by default, and the bounds of one: below the least the labels do not fit, above the most a PNG
// takes gigabytes.
const (
	DefaultWidth  = 8 * vg.Inch
	DefaultHeight = 5 * vg.Inch

	minSide = 3 * vg.Inch
	maxSide = 40 * vg.Inch
)

// dotsPerInch of a PNG: sharp on a dense screen.
const dotsPerInch = 144

const (
	margin    = vg.Length(12)
	legendGap = vg.Length(10)
)

// WritePlot writes a plot as "svg" or "png", width and height in points (1/72 inch; vg.Inch and vg.Centimeter convert). The legend
// stands below the axes, where it covers nothing. Equal plots give equal bytes. The plot itself is not changed.
//
// It fails on another format, on a side of less than 3 or more than 40 inches, on a legend that leaves the curves no room, and when
// w does.
func WritePlot(w io.Writer, p *plot.Plot, format string, width, height vg.Length) error {
	if p == nil {
		return errors.New(`plot "nil" cannot be drawn: give what Plot returns`)
	}
	return write(w, func(c draw.Canvas) error { return drawOn(c, p) }, format, width, height)
}

// write writes what is drawn on a canvas.
func write(w io.Writer, paint func(draw.Canvas) error, format string, width, height vg.Length) error {
	for _, side := range []struct {
		name   string
		length vg.Length
	}{{"width", width}, {"height", height}} {
		// Written so that NaN fails too.
		if !(side.length >= minSide && side.length <= maxSide) {
			return fmt.Errorf(`%s "%.4g" in points is not from %.0f to %.0f: give from 3 to 40 inches of 72 points, such as %.0f`,
				side.name, side.length.Points(), minSide.Points(), maxSide.Points(), DefaultWidth.Points())
		}
	}
	var picture bytes.Buffer
	var err error
	switch format {
	case "svg":
		err = writeSVG(&picture, paint, width, height)
	case "png":
		err = writePNG(&picture, paint, width, height)
	default:
		err = fmt.Errorf("format %q is not known: give svg or png", format)
	}
	if err != nil {
		return err
	}
	if _, err := picture.WriteTo(w); err != nil {
		return fmt.Errorf("write the %s: %w", format, err)
	}
	return nil
}

func writeSVG(w io.Writer, paint func(draw.Canvas) error, width, height vg.Length) error {
	canvas := vgsvg.New(width, height)
	if err := paint(draw.New(canvas)); err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return fmt.Errorf("encode the SVG: %w", err)
	}
	// The text is measured with Liberation Sans, which few viewers have and half a megabyte would embed. Arimo, Arial and Helvetica
	// are as wide, letter by letter, so that nothing overlaps with them either.
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(),
		[]byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arimo,Arial,Helvetica,sans-serif;")))
	return err
}

func writePNG(w io.Writer, paint func(draw.Canvas) error, width, height vg.Length) error {
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dotsPerInch))
	if err := paint(draw.New(canvas)); err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(w); err != nil {
		return fmt.Errorf("encode the PNG: %w", err)
	}
	return nil
}

// drawOn puts the legend in a band of its own at the foot and the rest of the plot above it.
func drawOn(c draw.Canvas, p *plot.Plot) error {
	if p.BackgroundColor != nil {
		c.SetColor(p.BackgroundColor)
		c.Fill(c.Path())
	}
	inner := draw.Crop(c, margin, -margin, margin, -margin)
	key := p.Legend
	box := key.Rectangle(inner).Size()
	if box.X > inner.Size().X || box.Y > inner.Size().Y/2 {
		return fmt.Errorf(`legend of "%.0f" by "%.0f" points leaves the curves no room in the picture: give a larger width and height, fewer volumes or shorter names`,
			box.X.Points(), box.Y.Points())
	}
	rest := *p
	rest.Legend = plot.NewLegend()
	band := vg.Length(0)
	if box.Y > 0 {
		band = box.Y + legendGap
		key.Draw(draw.Crop(inner, 0, 0, 0, box.Y-inner.Size().Y))
	}
	rest.Draw(draw.Crop(inner, 0, 0, band, 0))
	return nil
}

package picture

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	stdfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"
)

// fonts have the letters by which texts are measured and, in a PNG, painted.
var fonts = font.NewCache(liberation.Collection())

// Point represents a place: in pixels from the top left corner, or in the values of the axes of a chart.
type Point struct{ X, Y float64 }

// box represents a part of a picture, in pixels.
type box struct{ left, top, right, bottom float64 }

// scene represents what is in a picture, in the order in which it is painted.
type scene struct {
	height      float64
	title, desc string
	shapes      []shape
	texts       []text
}

// shape represents a line through points or, if it is an area, what they enclose.
type shape struct {
	points []Point
	role   Role
	width  float64   // of the line
	dashes []float64 // lengths of dashes and gaps; none: one line
	area   bool
	faint  bool // a pale area of the color of its role
	// radius makes it a dot around the first point.
	radius float64
}

type anchor uint8

const (
	atStart anchor = iota
	atMiddle
	atEnd
)

// text represents a line of text.
type text struct {
	words  string
	at     Point // of the baseline, where the anchor is
	anchor anchor
	size   float64
	bold   bool
	role   Role
}

// face returns the font of a text.
func face(size float64, bold bool) font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if bold {
		f.Weight = stdfont.WeightBold
	}
	return fonts.Lookup(f, vg.Length(size))
}

func widthOf(words string, size float64, bold bool) float64 {
	f := face(size, bold)
	return f.Width(words).Points()
}

func (t text) width() float64 { return widthOf(t.words, t.size, t.bold) }

// extent returns the space that a text takes.
func (t text) extent() box {
	left, width := t.at.X, t.width()
	switch t.anchor {
	case atMiddle:
		left -= width / 2
	case atEnd:
		left -= width
	}
	return box{left, t.at.Y - 0.75*t.size, left + width, t.at.Y + 0.22*t.size}
}

// wrap breaks words into as few lines as a width allows, at most so many, and makes these about equally long. What is left over is cut.
func wrap(words string, size float64, bold bool, width float64, most int) []string {
	lines := fill(words, size, bold, width)
	if n := len(lines); n > 1 && n <= most {
		for narrower := width - 8; narrower > 0; narrower -= 8 {
			next := fill(words, size, bold, narrower)
			if len(next) > n {
				break
			}
			lines = next
		}
	}
	if len(lines) > most {
		lines[most-1] = strings.Join(lines[most-1:], " ")
		lines = lines[:most]
	}
	for i := range lines {
		lines[i] = cut(lines[i], size, bold, width)
	}
	return lines
}

// fill breaks words into lines at spaces, not at those that are not to be broken, each as long as a width allows. A word that is wider stands alone.
func fill(words string, size float64, bold bool, width float64) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(words, " ") {
		longer := strings.TrimSpace(line + " " + word)
		if line != "" && widthOf(longer, size, bold) > width {
			lines, longer = append(lines, line), word
		}
		line = longer
	}
	return append(lines, line)
}

// cut shortens a line to a width.
func cut(line string, size float64, bold bool, width float64) string {
	if widthOf(line, size, bold) <= width {
		return line
	}
	letters := []rune(line)
	for len(letters) > 0 && widthOf(string(letters)+"…", size, bold) > width {
		letters = letters[:len(letters)-1]
	}
	return strings.TrimRight(string(letters), " ") + "…"
}

func (s *scene) add(shapes ...shape) { s.shapes = append(s.shapes, shapes...) }

func (s *scene) write(words string, at Point, a anchor, size float64, bold bool, role Role) {
	if words != "" {
		s.texts = append(s.texts, text{words, at, a, size, bold, role})
	}
}

// block writes lines below each other and returns where the next line would begin. top is the upper end of the first.
func (s *scene) block(lines []string, left, top, size float64, bold bool, role Role) float64 {
	for _, line := range lines {
		s.write(line, Point{left, top + size}, atStart, size, bold, role)
		top += size * lineHeight
	}
	return top
}

// head writes the message and what it was computed from, and returns where the picture goes on.
func (s *scene) head(title, inputs string) float64 {
	s.title = title
	y := s.block(wrap(title, titleSize, true, pageWidth-2*padding, 3), padding, padding-4, titleSize, true, Ink)
	if inputs == "" {
		return y + 14
	}
	return s.block(wrap(inputs, textSize, false, pageWidth-2*padding, 3), padding, y+4, textSize, false, Neutral) + 14
}

// noBreak is a space at which no line is broken.
const noBreak = '\u00a0'

// Bind joins a number and its unit, so that they stand in one line.
func Bind(words string) string { return strings.ReplaceAll(words, " ", string(noBreak)) }

// rule returns a thin line.
func rule(role Role, points ...Point) shape {
	return shape{points: points, role: role, width: hairline}
}

func rectangle(b box, role Role) shape {
	return shape{points: []Point{{b.left, b.top}, {b.right, b.top}, {b.right, b.bottom}, {b.left, b.bottom}}, role: role, area: true}
}

// render writes a scene as "svg" or "png".
func (s *scene) render(w io.Writer, format string) error {
	var picture []byte
	var err error
	switch format {
	case "svg":
		picture = s.svg()
	case "png":
		picture, err = s.png()
	default:
		err = fmt.Errorf("format %q is not known: give svg or png", format)
	}
	if err != nil {
		return err
	}
	if _, err := w.Write(picture); err != nil {
		return fmt.Errorf("write the %s: %w", format, err)
	}
	return nil
}

// checkTitle returns an error if a picture has no title, or words that cannot be written.
func checkTitle(title string, more ...string) error {
	if title == "" {
		return errors.New("title is empty: say what the picture shows")
	}
	return checkWords(append([]string{title}, more...)...)
}

// checkWords returns an error if words are not one printable line: in an SVG, other characters are not XML.
func checkWords(words ...string) error {
	for _, w := range words {
		for _, r := range w {
			if !unicode.IsPrint(r) && r != noBreak {
				return fmt.Errorf("%q is not one printable line: leave out line breaks and control characters", w)
			}
		}
	}
	return nil
}

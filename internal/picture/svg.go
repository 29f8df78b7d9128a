package picture

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// family is the font of an SVG. Few viewers have Liberation Sans, by which texts are measured. The next three are as wide, letter by
// letter, and textLength fits any other font into the same space.
const family = "Liberation Sans,Arimo,Arial,Helvetica,sans-serif"

func (s *scene) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" width="%d" height="%s" viewBox="0 0 %[1]d %[2]s" font-family="%s">
<title id="title">%s</title>
<desc id="desc">%s</desc>
<style>%s</style>
<rect class="paper" width="100%%" height="100%%" fill="currentColor"/>
`, pageWidth, number(s.height), family, escaped(s.title), escaped(s.desc), styleSheet())
	for _, shape := range s.shapes {
		b.WriteString(shape.svg())
	}
	for _, t := range s.texts {
		b.WriteString(t.svg())
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (s shape) svg() string {
	at := make([]string, len(s.points))
	for i, p := range s.points {
		at[i] = number(p.X) + "," + number(p.Y)
	}
	points := strings.Join(at, " ")
	switch {
	case s.radius > 0:
		return fmt.Sprintf("<circle class=%q cx=%q cy=%q r=%q fill=\"currentColor\"/>\n",
			classes[s.role], number(s.points[0].X), number(s.points[0].Y), number(s.radius))
	case s.area:
		opacity := ""
		if s.faint {
			opacity = fmt.Sprintf(" fill-opacity=%q", number(faintness))
		}
		return fmt.Sprintf("<polygon class=%q points=%q fill=\"currentColor\"%s/>\n", classes[s.role], points, opacity)
	}
	dashes := ""
	if len(s.dashes) > 0 {
		lengths := make([]string, len(s.dashes))
		for i, d := range s.dashes {
			lengths[i] = number(d)
		}
		dashes = fmt.Sprintf(" stroke-dasharray=%q", strings.Join(lengths, " "))
	}
	return fmt.Sprintf("<polyline class=%q points=%q fill=\"none\" stroke=\"currentColor\" stroke-width=%q stroke-linejoin=\"round\"%s/>\n",
		classes[s.role], points, number(s.width), dashes)
}

func (t text) svg() string {
	more := ""
	if t.bold {
		more += ` font-weight="bold"`
	}
	if t.anchor != atStart {
		more += fmt.Sprintf(` text-anchor=%q`, map[anchor]string{atMiddle: "middle", atEnd: "end"}[t.anchor])
	}
	return fmt.Sprintf("<text class=%q x=%q y=%q font-size=%q fill=\"currentColor\" textLength=%q lengthAdjust=\"spacingAndGlyphs\"%s>%s</text>\n",
		classes[t.role], number(t.at.X), number(t.at.Y), number(t.size), number(t.width()), more, escaped(t.words))
}

// number returns a number with at most one decimal: a tenth of a pixel is not seen.
func number(f float64) string {
	text := strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0")
	if text == "-0" {
		return "0"
	}
	return text
}

func escaped(words string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(words)) // a strings.Builder takes everything
	return b.String()
}

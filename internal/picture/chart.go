package picture

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Chart represents curves over time, or over anything else that grows.
type Chart struct {
	// Title is the message, and Inputs what it was computed from. Inputs may be empty.
	Title, Inputs string
	// Desc says what the curves show to those who cannot see them. Empty: the labels say it.
	Desc   string
	X, Y   Axis
	Curves []Curve
	Levels []Level
}

// Curve represents a line in a chart, in the values of its axes. The last of the curves lies on top.
type Curve struct {
	Label
	Role   Role
	Points []Point // in order of X; at least one
	// Marks are dots on the curve.
	Marks []Point
}

// Level represents a dashed line from the left to the right.
type Level struct {
	Label
	Role Role
	At   float64 // on the Y axis
}

// Label says what a line is, at its end: a name in the line's color, and details in grey. Without a name there is none.
type Label struct{ Name, Detail string }

const (
	chartHeight = 330 // of the area of the curves, if the labels need no more
	labelGap    = 30  // between the area and its labels
	labelShare  = 0.3 // of the picture's width
	labelSpace  = 8   // between two labels
	mostLabels  = 16
)

// Write writes the chart as "svg" or "png". It fails on another format, on a title that is not one printable line, on curves
// without points or with points that are not numbers, on more than 16 labels, and when w does.
func (c *Chart) Write(w io.Writer, format string) error {
	if err := checkTitle(c.Title, c.Inputs, c.Desc); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	return c.scene().render(w, format)
}

// check returns an error if curves or labels cannot be drawn.
func (c *Chart) check() error {
	for _, curve := range c.Curves {
		if len(curve.Points) == 0 {
			return fmt.Errorf("curve %q has no points: leave it out", curve.Name)
		}
		for _, p := range slices.Concat(curve.Points, curve.Marks) {
			if math.IsNaN(p.X+p.Y) || math.IsInf(p.X+p.Y, 0) {
				return fmt.Errorf("curve %q has a point that is not a number: leave it out", curve.Name)
			}
		}
	}
	labels := c.labels()
	if len(labels) > mostLabels {
		return fmt.Errorf("%d labels are too many to tell apart: draw at most %d curves", len(labels), mostLabels)
	}
	words := []string{c.Title}
	for _, l := range labels {
		words = append(words, l.Name, l.Detail)
	}
	return checkWords(words...)
}

func (c *Chart) labels() []placed {
	var out []placed
	for i := range c.Curves {
		curve := &c.Curves[i]
		if curve.Name != "" {
			out = append(out, placed{Label: curve.Label, role: curve.Role, end: curve.Points[len(curve.Points)-1]})
		}
	}
	for _, l := range c.Levels {
		if l.Name != "" {
			out = append(out, placed{Label: l.Label, role: l.Role, end: Point{c.X.Top, l.At}})
		}
	}
	return out
}

// placed is a label and where it stands.
type placed struct {
	Label
	role    Role
	end     Point // of its line, in the values of the axes
	details []string
	height  float64
}

func (c *Chart) scene() *scene {
	s := &scene{desc: c.description()}
	top := s.head(c.Title, c.Inputs)
	labels := c.labels()
	room := measure(labels, pageWidth*labelShare)
	height := max(chartHeight, room.height+20)
	right := float64(pageWidth - padding)
	if room.width > 0 {
		right -= room.width + labelGap
	}
	area := box{padding, top, right, top + height}
	s.height = area.bottom + detailSize*lineHeight + 10 + padding
	c.draw(s, area, labels)
	return s
}

// measure breaks the details of labels into lines of at most a width, and returns the room that the labels take.
func measure(labels []placed, most float64) (room struct{ width, height float64 }) {
	for i := range labels {
		l := &labels[i]
		l.Name = cut(l.Name, textSize, true, most)
		l.height = textSize*lineHeight + labelSpace
		room.width = max(room.width, widthOf(l.Name, textSize, true))
		if l.Detail != "" {
			l.details = wrap(l.Detail, detailSize, false, most, 3)
		}
		for _, line := range l.details {
			room.width = max(room.width, widthOf(line, detailSize, false))
			l.height += detailSize * lineHeight
		}
		room.height += l.height
	}
	return room
}

// frame maps the values of two axes to an area.
type frame struct {
	box
	x, y Axis
}

func (f frame) at(p Point) Point {
	return Point{f.left + (f.right-f.left)*p.X/f.x.Top, f.bottom - (f.bottom-f.top)*p.Y/f.y.Top}
}

// draw draws the chart into an area, of which the ticks of the Y axis take some at the left. What is below the area and right of it has to have room for ticks and labels.
func (c *Chart) draw(s *scene, area box, labels []placed) {
	f := c.axes(s, area)
	for _, l := range c.Levels {
		line := rule(l.Role, f.at(Point{0, l.At}), f.at(Point{c.X.Top, l.At}))
		line.width, line.dashes = 1.5, []float64{7, 5}
		s.add(line)
	}
	for _, curve := range c.Curves {
		line := shape{role: curve.Role, width: lineWidth}
		for _, p := range curve.Points {
			line.points = append(line.points, f.at(p))
		}
		s.add(line)
	}
	for _, curve := range c.Curves {
		for _, m := range curve.Marks {
			s.add(dot(f.at(m), dotRadius+2, Paper), dot(f.at(m), dotRadius, curve.Role))
		}
	}
	c.write(s, f, labels)
}

func dot(at Point, radius float64, role Role) shape {
	return shape{points: []Point{at}, role: role, radius: radius}
}

// axes draws the lines and the ticks, and returns where values lie.
func (c *Chart) axes(s *scene, area box) frame {
	widest := 0.0
	ticks := slices.Clone(c.Y.ticks)
	if n := len(ticks); n > 0 {
		ticks[n-1].unit = c.Y.unit
	}
	for _, t := range ticks {
		widest = max(widest, widthOf(t.String(), detailSize, false))
	}
	f := frame{area, c.X, c.Y}
	f.left += widest + 10
	for _, t := range ticks {
		from := f.at(Point{0, t.at})
		role := Guide
		if t.at == 0 {
			role = Neutral
		}
		s.add(rule(role, from, Point{f.right, from.Y}))
		s.write(t.String(), Point{f.left - 10, from.Y + 0.35*detailSize}, atEnd, detailSize, false, Neutral)
	}
	for _, l := range f.timeline() {
		at := f.at(Point{l.at, 0})
		s.add(rule(Neutral, at, Point{at.X, at.Y + 5}))
		s.write(l.words, Point{l.left, at.Y + 9 + detailSize}, atStart, detailSize, false, Neutral)
	}
	return f
}

// tickLabel is the label of a tick of the X axis. The number stands below the tick, with the unit behind it.
type tickLabel struct {
	at          float64
	words       string
	left, right float64
}

// timeline returns the labels of the X axis: of all ticks, or of every second, third and so on if they have no room.
func (f frame) timeline() []tickLabel {
	const space = 10
	for every := 1; ; every++ {
		var out []tickLabel
		fits := true
		for i := 0; i < len(f.x.ticks); i += every {
			t := f.x.ticks[i]
			left := f.at(Point{t.at, 0}).X - widthOf(t.label, detailSize, false)/2
			if i+every >= len(f.x.ticks) {
				t.unit = f.x.unit
			}
			words := t.String()
			width := widthOf(words, detailSize, false)
			left = min(left, pageWidth-4-width)
			fits = fits && (i == 0 || out[len(out)-1].right+space <= left)
			out = append(out, tickLabel{t.at, words, left, left + width})
		}
		if fits {
			return out
		}
	}
}

// write writes the labels right of the area, and joins each with the end of its line.
func (c *Chart) write(s *scene, f frame, labels []placed) {
	wanted, sizes := make([]float64, len(labels)), make([]float64, len(labels))
	for i, l := range labels {
		wanted[i], sizes[i] = f.at(l.end).Y, l.height
	}
	for i, y := range spread(wanted, sizes, f.top-labelSpace, f.bottom+labelSpace) {
		l := &labels[i]
		end, left := f.at(l.end), f.right+labelGap
		if end.X < f.right-1 {
			dotted := rule(Neutral, Point{end.X + dotRadius, end.Y}, Point{f.right, end.Y})
			dotted.dashes = []float64{1.5, 4}
			s.add(dotted)
		}
		s.add(rule(Neutral, Point{f.right + 3, end.Y}, Point{f.right + 8, end.Y}, Point{left - 9, y}, Point{left - 4, y}))
		top := s.block([]string{l.Name}, left, y-(l.height-labelSpace)/2, textSize, true, l.role)
		s.block(l.details, left, top-1, detailSize, false, Neutral)
	}
}

// description returns what the chart shows, in words.
func (c *Chart) description() string {
	if c.Desc != "" {
		return c.Desc
	}
	var sentences []string
	for _, l := range c.labels() {
		sentences = append(sentences, strings.TrimSuffix(l.Name+": "+l.Detail, ": "))
	}
	return strings.Join(append(sentences, c.Inputs), ". ")
}

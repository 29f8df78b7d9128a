package picture

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Rows compares things to do, one below the other: how full each keeps a volume over a span, and what memory it takes.
type Rows struct {
	// Title is the message, and Inputs what it was computed from.
	Title, Inputs string
	Span          time.Duration
	Rows          []Row
}

// Row represents one thing to do.
type Row struct {
	// Label says what is done, and what it leads to.
	Label
	Role Role
	// Full is how full the volume is, from 0 to 1, over nanoseconds.
	Full []Point
	// Bytes is the memory that a full volume takes, with Memory as its words.
	Bytes  float64
	Memory string
}

const (
	mostRows  = 8
	rowHeight = 92
	// Where the columns begin and end.
	graphLeft, graphRight = 300, 560
	barLeft, barRight     = 600, pageWidth - padding
)

// Write writes the rows as "svg" or "png". It fails on no rows or more than eight, on a row with fewer than two levels, on another
// format, and when w does.
func (r *Rows) Write(w io.Writer, format string) error {
	if len(r.Rows) == 0 || len(r.Rows) > mostRows {
		return fmt.Errorf(`rows: "%d" given: give from 1 to %d`, len(r.Rows), mostRows)
	}
	if r.Span <= 0 {
		return fmt.Errorf("span %q is not above 0: give the length of time to draw", r.Span)
	}
	words := []string{r.Title, r.Inputs}
	for _, row := range r.Rows {
		words = append(words, row.Name, row.Detail, row.Memory)
		if len(row.Full) < 2 {
			return errors.New("a row has fewer than two levels: give at least the first and the last moment")
		}
	}
	if err := checkTitle(words[0], words[1:]...); err != nil {
		return err
	}
	return r.scene().render(w, format)
}

func (r *Rows) scene() *scene {
	s := &scene{}
	top := s.head(r.Title, r.Inputs) + 4
	s.block([]string{"how full /dev/shm is"}, graphLeft, top, detailSize, false, Neutral)
	top = s.block([]string{"memory when full"}, barLeft, top, detailSize, false, Neutral) + 8
	largest := 1.0
	for _, row := range r.Rows {
		largest = max(largest, row.Bytes)
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		s.desc += fmt.Sprintf("%s: %s, %s of memory. ", row.Name, row.Detail, row.Memory)
		area := box{graphLeft, top + 8, graphRight, top + rowHeight - 22}
		row.words(s, area)
		row.graph(s, frame{area, Axis{Top: float64(r.Span)}, Axis{Top: 1}})
		row.bar(s, area, largest)
		top += rowHeight
	}
	below := box{graphLeft, top, graphRight, top - 22 + 8}
	axis := Chart{X: TimeAxis(r.Span), Y: Axis{Top: 1}}
	axis.axes(s, box{below.left - 10, below.top, below.right, below.bottom})
	s.height = top + detailSize + padding
	return s
}

// words writes what is done, in the middle of the height of the graph.
func (r *Row) words(s *scene, graph box) {
	const width = graphLeft - 2*padding - 10
	name := wrap(r.Name, textSize, true, width, 1)
	detail := wrap(r.Detail, detailSize, false, width, 2)
	height := textSize*lineHeight + detailSize*lineHeight*float64(len(detail))
	y := s.block(name, padding, (graph.top+graph.bottom-height)/2, textSize, true, r.Role)
	s.block(detail, padding, y, detailSize, false, Neutral)
}

// graph draws how full the volume is, and a dot where it is full first.
func (r *Row) graph(s *scene, f frame) {
	line := shape{role: r.Role, width: lineWidth}
	under := shape{role: r.Role, area: true, faint: true, points: []Point{f.at(Point{r.Full[0].X, 0})}}
	for _, p := range r.Full {
		line.points = append(line.points, f.at(p))
	}
	under.points = append(append(under.points, line.points...), f.at(Point{r.Full[len(r.Full)-1].X, 0}))
	full := rule(Neutral, f.at(Point{0, 1}), f.at(Point{f.x.Top, 1}))
	full.dashes = []float64{7, 5}
	s.add(under, rule(Neutral, f.at(Point{}), f.at(Point{f.x.Top, 0})), full, line)
	s.write("full", Point{f.left - 8, f.top + 0.35*detailSize}, atEnd, detailSize, false, Neutral)
	for _, p := range r.Full {
		if r.Role == Fills && p.Y >= 1 {
			s.add(dot(f.at(p), dotRadius+2, Paper), dot(f.at(p), dotRadius, r.Role))
			break
		}
	}
}

// bar draws the memory, all rows on one scale.
func (r *Row) bar(s *scene, graph box, largest float64) {
	room := barRight - barLeft - widthOf("9999 MiB", textSize, true) - 8
	right := barLeft + max(room*r.Bytes/largest, 2)
	middle := (graph.top + graph.bottom) / 2
	s.add(rectangle(box{barLeft, middle - 15, right, middle + 15}, r.Role))
	s.write(r.Memory, Point{right + 8, middle + 0.35*textSize}, atStart, textSize, true, Ink)
}

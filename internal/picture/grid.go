package picture

import (
	"fmt"
	"io"
	"math"
)

// Grid represents small charts side by side, in two columns.
type Grid struct {
	// Title is the message, and Inputs what it was computed from.
	Title, Inputs string
	// Charts have a title each, of a few words. Their inputs are left out.
	Charts []Chart
}

const (
	cellHeight = 170 // of the area of the curves
	cellGap    = 40
	mostCharts = 8
)

// Write writes the charts as "svg" or "png". It fails on no charts or more than eight, on whatever Chart.Write fails on, and when w does.
func (g *Grid) Write(w io.Writer, format string) error {
	if len(g.Charts) == 0 || len(g.Charts) > mostCharts {
		return fmt.Errorf(`charts: "%d" given: give from 1 to %d`, len(g.Charts), mostCharts)
	}
	if err := checkTitle(g.Title, g.Inputs); err != nil {
		return err
	}
	for i := range g.Charts {
		if err := g.Charts[i].check(); err != nil {
			return err
		}
	}
	return g.scene().render(w, format)
}

func (g *Grid) scene() *scene {
	s := &scene{}
	top := s.head(g.Title, g.Inputs) + 6
	const width = (pageWidth - 2*padding - cellGap) / 2
	const step = textSize*lineHeight + 12 + cellHeight + detailSize*lineHeight + 34
	for i := range g.Charts {
		c := &g.Charts[i]
		s.desc += c.Title + ": " + c.description() + " "
		left := padding + float64(i%2)*(width+cellGap)
		y := top + math.Floor(float64(i)/2)*step
		y = s.block(wrap(c.Title, textSize, true, width, 1), left, y, textSize, true, Ink) + 12
		labels := c.labels()
		room := measure(labels, width/2)
		c.draw(s, box{left, y, left + width - room.width - labelGap, y + cellHeight}, labels)
	}
	s.height = top + math.Ceil(float64(len(g.Charts))/2)*step - 34 + padding
	return s
}

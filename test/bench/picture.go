package main

import (
	"bytes"
	"fmt"

	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/picture"
)

// draw returns the charts of all growth that was measured, as SVG.
func (g *Growths) draw() ([]byte, error) {
	grid := picture.Grid{
		Title:  g.message(),
		Inputs: "processor time of the server for one call; the floor is a webhook that answers a fixed patch",
	}
	for _, t := range g.tables() {
		if len(t.Rows) > 0 {
			grid.Charts = append(grid.Charts, chart(t))
		}
	}
	var out bytes.Buffer
	err := grid.Write(&out, "svg")
	return out.Bytes(), err
}

// message says what makes a call dearer.
func (g *Growths) message() string {
	text := "What makes a call dearer"
	if len(g.Size) > 0 {
		small, large := g.Size[0], g.Size[len(g.Size)-1]
		text = fmt.Sprintf("A Pod of %s takes %s, one of %s %s",
			kilobytes(small), inMilliseconds("%.2f", small.Mutate), kilobytes(large), inMilliseconds("%.1f", large.Mutate))
	}
	if len(g.Policies) > 0 {
		few, many := g.Policies[0], g.Policies[len(g.Policies)-1]
		text += fmt.Sprintf("; %s policies instead of %d add %s", human.Count(int64(many.Value)), few.Value, inMilliseconds("%.2f", max(0, many.Mutate-few.Mutate)))
	}
	return text
}

func kilobytes(g Growth) string { return picture.Bind(fmt.Sprintf("%d KB", g.Value/1000)) }

func inMilliseconds(format string, ms float64) string {
	return picture.Bind(fmt.Sprintf(format+" ms", ms))
}

// chart returns one chart of the picture.
func chart(t growthTable) picture.Chart {
	const steps = 4
	c := picture.Chart{Title: t.What}
	unit, scale := "", 1.0
	if t.What == sizeOfPod {
		unit, scale = "KB", 1000
		c.Title = "size of the Pod"
	}
	var right, top float64
	for _, line := range []struct {
		name  string
		role  picture.Role
		value func(Growth) float64
	}{
		{"floor", picture.Neutral, func(g Growth) float64 { return g.Floor }},
		{"validate", picture.Holds, func(g Growth) float64 { return g.Validate }},
		{"mutate", picture.Computed, func(g Growth) float64 { return g.Mutate }},
	} {
		curve := picture.Curve{Label: picture.Label{Name: line.name}, Role: line.role}
		for _, row := range t.Rows {
			if v := line.value(row); v > 0 {
				curve.Points = append(curve.Points, picture.Point{X: float64(row.Value) / scale, Y: v})
				right, top = max(right, float64(row.Value)/scale), max(top, v)
			}
		}
		if len(curve.Points) > 0 {
			c.Curves = append(c.Curves, curve)
		}
	}
	c.X, c.Y = picture.NumberAxis(right, unit, steps), picture.NumberAxis(1.1*top, "ms", steps)
	return c
}

package picture

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bars shows who pays for what: the parts of some sums, one bar below the other, all on one scale.
type Bars struct {
	// Title is the message, and Inputs what it was computed from.
	Title, Inputs string
	Bars          []Bar
}

// Bar represents a sum.
type Bar struct {
	Label
	Parts []Part
}

// Part represents a part of a sum.
type Part struct {
	// Label says what the part is, and how large.
	Label
	Role Role
	// Faint makes it paler than another part of the same role.
	Faint bool
	Size  float64
}

const (
	mostBars  = 4
	mostParts = 6
	barHeight = 46
)

// Write writes the bars as "svg" or "png". It fails on no bars or more than four, on a bar with no parts or more than six, on a part
// without a size above 0, on another format, and when w does.
func (b *Bars) Write(w io.Writer, format string) error {
	if len(b.Bars) == 0 || len(b.Bars) > mostBars {
		return fmt.Errorf(`bars: "%d" given: give from 1 to %d`, len(b.Bars), mostBars)
	}
	words := []string{b.Title, b.Inputs}
	for _, bar := range b.Bars {
		words = append(words, bar.Name, bar.Detail)
		if len(bar.Parts) == 0 || len(bar.Parts) > mostParts {
			return fmt.Errorf(`bar %q has "%d" parts: give from 1 to %d`, bar.Name, len(bar.Parts), mostParts)
		}
		for _, p := range bar.Parts {
			words = append(words, p.Name, p.Detail)
			if !(p.Size > 0) { // also NaN
				return errors.New("a part is not larger than 0: leave it out")
			}
		}
	}
	if err := checkTitle(words[0], words[1:]...); err != nil {
		return err
	}
	return b.scene().render(w, format)
}

func (b *Bars) scene() *scene {
	s := &scene{}
	top := s.head(b.Title, b.Inputs) + 4
	largest := 0.0
	for _, bar := range b.Bars {
		largest = max(largest, bar.sum())
	}
	for i := range b.Bars {
		bar := &b.Bars[i]
		s.desc += bar.description()
		s.write(bar.Name, Point{padding, top + textSize}, atStart, textSize, true, Ink)
		s.write(cut(bar.Detail, textSize, false, pageWidth-2*padding-widthOf(bar.Name, textSize, true)-10),
			Point{padding + widthOf(bar.Name, textSize, true) + 10, top + textSize}, atStart, textSize, false, Neutral)
		top += textSize*lineHeight + 8
		top = bar.draw(s, top, (pageWidth-2*padding)/largest) + 26
	}
	s.height = top - 26 + padding
	return s
}

func (b *Bar) sum() (sum float64) {
	for _, p := range b.Parts {
		sum += p.Size
	}
	return sum
}

// draw draws the parts side by side and their labels below, and returns where the labels end.
func (b *Bar) draw(s *scene, top, scale float64) float64 {
	const gap = 18 // between two labels
	left, bottom := float64(padding), top+barHeight
	wanted, sizes := make([]float64, len(b.Parts)), make([]float64, len(b.Parts))
	for i, p := range b.Parts {
		right := left + p.Size*scale
		body := rectangle(box{left, top, right, bottom}, p.Role)
		outline := body
		body.faint = p.Faint
		outline.area, outline.width = false, 1.5
		outline.points = append(outline.points, outline.points[0])
		s.add(body, outline)
		wanted[i] = (left + right) / 2
		sizes[i] = gap + max(widthOf(p.Name, textSize, true), widthOf(p.Detail, detailSize, false))
		left = right
	}
	y := bottom + 12
	for i, x := range spread(wanted, sizes, padding-gap/2, pageWidth-padding+gap/2) {
		p := b.Parts[i]
		s.add(rule(Neutral, Point{wanted[i], bottom + 2}, Point{wanted[i], bottom + 6}, Point{x, y + 2}, Point{x, y + 5}))
		s.write(p.Name, Point{x, y + 6 + textSize}, atMiddle, textSize, true, p.Role)
		s.write(p.Detail, Point{x, y + 6 + textSize + detailSize*lineHeight}, atMiddle, detailSize, false, Neutral)
	}
	return y + 6 + textSize + detailSize*lineHeight + 4
}

// description returns a bar in words.
func (b *Bar) description() string {
	parts := make([]string, len(b.Parts))
	for i, p := range b.Parts {
		parts[i] = strings.TrimSpace(p.Name + " " + p.Detail)
	}
	return fmt.Sprintf("%s, %s: %s. ", b.Name, b.Detail, strings.Join(parts, ", "))
}

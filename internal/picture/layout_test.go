package picture

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// checkLayout fails if a text overlaps another or leaves the picture, or a shape does.
func checkLayout(t rapid.TB, s *scene) {
	t.Helper()
	inside := func(b box, what string) {
		if b.left < 0 || b.top < 0 || b.right > pageWidth || b.bottom > s.height || math.IsNaN(b.left+b.top+b.right+b.bottom) {
			t.Errorf("%s leaves the picture of %d x %.0f: %+v", what, pageWidth, s.height, b)
		}
	}
	for i, a := range s.texts {
		x := a.extent()
		inside(x, fmt.Sprintf("%q", a.words))
		for _, b := range s.texts[:i] {
			if y := b.extent(); x.left < y.right && y.left < x.right && x.top < y.bottom && y.top < x.bottom {
				t.Errorf("%q and %q overlap: %+v, %+v", a.words, b.words, x, y)
			}
		}
	}
	for _, shape := range s.shapes {
		for _, p := range shape.points {
			inside(box{p.X, p.Y, p.X, p.Y}, "a "+classes[shape.role]+" shape")
		}
	}
}

// words are names and sentences of any length.
func words(name string, most int) *rapid.Generator[string] {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("aiWm0189 MxyÄ%")), 1, 24, -1)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(word, 1, most).Draw(t, name), " ")
	})
}

func drawLabel(t *rapid.T) Label {
	return Label{words("name", 3).Draw(t, "name"), words("detail", 8).Draw(t, "detail")}
}

// drawChart returns a chart whose curves end anywhere, many of them at the same height.
func drawChart(t *rapid.T, most int) Chart {
	span := time.Duration(rapid.Int64Range(1, int64(100*365*24*time.Hour)).Draw(t, "span"))
	top := math.Pow(2, rapid.Float64Range(0, 62).Draw(t, "top"))
	c := Chart{
		Title: words("title", 20).Draw(t, "title"), Inputs: words("inputs", 30).Draw(t, "inputs"),
		X: TimeAxis(span), Y: BytesAxis(top),
	}
	share := rapid.SampledFrom([]float64{0, 0.01, 0.5, 0.99, 1})
	for range rapid.IntRange(1, most).Draw(t, "curves") {
		curve := Curve{Label: drawLabel(t), Role: rapid.SampledFrom([]Role{Fills, Holds, Computed}).Draw(t, "role"), Points: []Point{{}}}
		end := Point{share.Draw(t, "x") * float64(span), share.Draw(t, "y") * top}
		curve.Points = append(curve.Points, end)
		curve.Marks = []Point{end}
		c.Curves = append(c.Curves, curve)
	}
	for range rapid.IntRange(0, 2).Draw(t, "levels") {
		c.Levels = append(c.Levels, Level{drawLabel(t), Computed, share.Draw(t, "level") * top})
	}
	return c
}

func TestChart_NothingOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawChart(t, 12)
		checkLayout(t, c.scene())
	})
}

func TestGrid_NothingOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Grid{Title: words("title", 20).Draw(t, "title"), Inputs: words("inputs", 20).Draw(t, "inputs")}
		for range rapid.IntRange(1, mostCharts).Draw(t, "charts") {
			c := drawChart(t, 2)
			c.Levels = nil
			for i := range c.Curves {
				c.Curves[i].Label = Label{Name: words("name", 1).Draw(t, "name")}
			}
			g.Charts = append(g.Charts, c)
		}
		checkLayout(t, g.scene())
	})
}

func TestRows_NothingOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := time.Duration(rapid.Int64Range(1, int64(100*365*24*time.Hour)).Draw(t, "span"))
		r := Rows{Title: words("title", 20).Draw(t, "title"), Inputs: words("inputs", 20).Draw(t, "inputs"), Span: span}
		for range rapid.IntRange(1, mostRows).Draw(t, "rows") {
			bytes := math.Pow(2, rapid.Float64Range(0, 62).Draw(t, "bytes"))
			r.Rows = append(r.Rows, Row{
				Label: drawLabel(t), Role: rapid.SampledFrom([]Role{Fills, Holds, Computed}).Draw(t, "role"),
				Full: []Point{{}, {float64(span) / 2, 1}, {float64(span), 1}}, Bytes: bytes, Memory: Size(bytes),
			})
		}
		checkLayout(t, r.scene())
	})
}

func TestBars_NothingOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Bars{Title: words("title", 20).Draw(t, "title"), Inputs: words("inputs", 20).Draw(t, "inputs")}
		for range rapid.IntRange(1, mostBars).Draw(t, "bars") {
			bar := Bar{Label: Label{words("name", 1).Draw(t, "name"), words("detail", 20).Draw(t, "detail")}}
			for range rapid.IntRange(1, 4).Draw(t, "parts") {
				size := math.Pow(2, rapid.Float64Range(0, 50).Draw(t, "size"))
				bar.Parts = append(bar.Parts, Part{Label: Label{"kernel memory", Size(size)}, Role: Computed, Faint: rapid.Bool().Draw(t, "faint"), Size: size})
			}
			b.Bars = append(b.Bars, bar)
		}
		checkLayout(t, b.scene())
	})
}

func TestSpread_KeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "n")
		low, high := 0.0, rapid.Float64Range(1, 1000).Draw(t, "high")
		wanted, sizes := make([]float64, n), make([]float64, n)
		total := 0.0
		for i := range n {
			wanted[i] = rapid.Float64Range(low-50, high+50).Draw(t, "wanted")
			sizes[i] = rapid.Float64Range(1, 60).Draw(t, "size")
			total += sizes[i]
		}
		got := spread(wanted, sizes, low, high)
		const slack = 1e-6
		for i := range got {
			if got[i]-sizes[i]/2 < low-slack || total <= high && got[i]+sizes[i]/2 > high+slack {
				t.Fatalf("%d lies at %v, outside of %v to %v", i, got[i], low, high)
			}
			for j := range i {
				if math.Abs(got[i]-got[j]) < (sizes[i]+sizes[j])/2-slack {
					t.Fatalf("%d at %v and %d at %v overlap: %v", i, got[i], j, got[j], sizes)
				}
				if (wanted[i]-wanted[j])*(got[i]-got[j]) < 0 {
					t.Fatalf("%d and %d have changed sides", i, j)
				}
			}
		}
	})
}

func TestSpread_MovesOnlyWhatHasTo(t *testing.T) {
	for name, c := range map[string]struct{ wanted, want []float64 }{
		"what has room stays":                     {[]float64{10, 40, 80}, []float64{10, 40, 80}},
		"two at one place share the way":          {[]float64{50, 50}, []float64{45, 55}},
		"a neighbor is pushed along":              {[]float64{50, 50, 58}, []float64{42.666666666666664, 52.666666666666664, 62.666666666666664}},
		"what lies beyond an end is moved in":     {[]float64{-20, 130}, []float64{5, 95}},
		"the order of those wanted is not theirs": {[]float64{80, 10}, []float64{80, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			sizes := make([]float64, len(c.wanted))
			for i := range sizes {
				sizes[i] = 10
			}
			got := spread(c.wanted, sizes, 0, 100)
			for i := range got {
				if math.Abs(got[i]-c.want[i]) > 1e-9 {
					t.Errorf("got %v, want %v", got, c.want)
				}
			}
		})
	}
}

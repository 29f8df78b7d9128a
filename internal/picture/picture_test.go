package picture

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

const (
	day = 24 * time.Hour
	gib = 1 << 30
)

// writer is any of the pictures.
type writer interface {
	Write(w io.Writer, format string) error
}

func sampleChart() *Chart {
	at := func(d time.Duration, bytes float64) Point { return Point{float64(d), bytes} }
	return &Chart{
		Title: "64Mi fills in 1 day; 2Gi <holds>", Inputs: "so many files & so large",
		X: TimeAxis(4 * day), Y: BytesAxis(2.1 * gib),
		Curves: []Curve{
			{Label{"64Mi", "full after 1 d"}, Fills, []Point{at(0, 0), at(day, gib/16), at(4*day, gib/16)}, []Point{at(day, gib/16)}},
			{Label{}, Computed, []Point{at(0, 0), at(3*day, gib), at(4*day, gib)}, nil},
		},
		Levels: []Level{{Label{"2Gi computed", "at most 50 % full"}, Computed, 2 * gib}},
	}
}

func sampleBars() []Bar {
	return []Bar{
		{Label{"before", "limit 1Gi"}, []Part{{Label{"process", "960 MiB"}, Neutral, false, 960}, {Label{"files", "64 MiB"}, Fills, false, 64}}},
		{Label{"after", "limit 3077Mi"}, []Part{{Label{"process", "1 GiB"}, Neutral, false, 1024}, {Label{"files", "2 GiB"}, Computed, false, 2048}, {Label{"kernel memory", "5 MiB"}, Computed, true, 5}}},
	}
}

// pictures has one of each kind.
func pictures() map[string]writer {
	end := float64(4 * day)
	return map[string]writer{
		"chart": sampleChart(),
		"grid":  &Grid{Title: "Two", Charts: []Chart{*sampleChart(), *sampleChart()}},
		"rows": &Rows{Title: "One remedy", Inputs: "some", Span: 4 * day, Rows: []Row{
			{Label{"none", "full after 1 d"}, Fills, []Point{{}, {end / 4, 1}, {end, 1}}, 83, "83 MiB"},
			{Label{"larger", "2Gi"}, Computed, []Point{{}, {end, 0.5}}, 2100, "2.05 GiB"},
		}},
		"bars": &Bars{Title: "2Gi raise the limit", Bars: sampleBars()},
	}
}

func written(t *testing.T, p writer, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWrite_SVG(t *testing.T) {
	for name, p := range pictures() {
		t.Run(name, func(t *testing.T) {
			got := written(t, p, "svg")
			path := "testdata/" + name + ".svg"
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the picture (-want +got):\n%s", diff)
			}
		})
	}
}

// An SVG is XML that says what it shows, follows the reader's mode and names no color outside of its style sheet.
func TestWrite_SVGForEveryone(t *testing.T) {
	for name, p := range pictures() {
		t.Run(name, func(t *testing.T) {
			var root struct {
				XMLName    xml.Name `xml:"http://www.w3.org/2000/svg svg"`
				Role       string   `xml:"role,attr"`
				LabelledBy string   `xml:"aria-labelledby,attr"`
				Title      struct {
					ID   string `xml:"id,attr"`
					Text string `xml:",chardata"`
				} `xml:"title"`
				Desc struct {
					ID   string `xml:"id,attr"`
					Text string `xml:",chardata"`
				} `xml:"desc"`
				Style string `xml:"style"`
			}
			got := written(t, p, "svg")
			if err := xml.Unmarshal(got, &root); err != nil {
				t.Fatal(err)
			}
			if root.Role != "img" || root.LabelledBy != root.Title.ID+" "+root.Desc.ID || root.Title.Text == "" || len(root.Desc.Text) < 20 {
				t.Errorf("got %+v", root)
			}
			if !strings.Contains(root.Style, "@media (prefers-color-scheme:dark){.ink{color:#e6edf3}") {
				t.Errorf("the style sheet has no dark mode: %s", root.Style)
			}
			if _, body, _ := bytes.Cut(got, []byte("</style>")); bytes.Contains(body, []byte("#")) {
				t.Errorf("a color is written outside of the style sheet:\n%s", body)
			}
		})
	}
}

func TestWrite_EqualInput(t *testing.T) {
	for name, p := range pictures() {
		for _, format := range []string{"svg", "png"} {
			if !bytes.Equal(written(t, p, format), written(t, pictures()[name], format)) {
				t.Errorf("two %s of one %s differ", format, name)
			}
		}
	}
}

// A PNG is light, and has two dots for each pixel of the SVG.
func TestWrite_PNG(t *testing.T) {
	c := sampleChart()
	got, err := png.Decode(bytes.NewReader(written(t, c, "png")))
	if err != nil {
		t.Fatal(err)
	}
	if size := got.Bounds().Size(); size.X != 2*pageWidth || math.Abs(float64(size.Y)-2*c.scene().height) > 1 {
		t.Errorf("%v dots, of a picture of %d by %.1f", size, pageWidth, c.scene().height)
	}
	if r, g, b, _ := got.At(2, 2).RGBA(); r+g+b != 3*0xffff {
		t.Errorf("the paper is %v", got.At(2, 2))
	}
	counts := map[Role]int{}
	for y := range got.Bounds().Dy() {
		for x := range got.Bounds().Dx() {
			for _, role := range []Role{Fills, Computed} {
				if got.At(x, y) == palette[role].light {
					counts[role]++
				}
			}
		}
	}
	if counts[Fills] < 1000 || counts[Computed] < 1000 {
		t.Errorf("dots of each meaning: %v", counts)
	}
}

func TestAxes_Ticks(t *testing.T) {
	for name, c := range map[string]struct {
		axis Axis
		want string
	}{
		"two weeks by two days":           {TimeAxis(14 * day), "0 2 4 6 8 10 12 14 days"},
		"a month by weeks":                {TimeAxis(30 * day), "0 7 14 21 28 days"},
		"a quarter by two weeks":          {TimeAxis(90 * day), "0 14 28 42 56 70 84 days"},
		"a century by doubled years":      {TimeAxis(36500 * day), "0 5840 11680 17520 23360 29200 35040 days"},
		"a day and a half by six hours":   {TimeAxis(36 * time.Hour), "0 6 12 18 24 30 36 hours"},
		"an hour by ten minutes":          {TimeAxis(time.Hour), "0 10 20 30 40 50 60 minutes"},
		"less than a minute":              {TimeAxis(30 * time.Second), "0 5 10 15 20 25 30 seconds"},
		"a volume in powers of two":       {BytesAxis(950 << 20), "0 256 512 768 MiB"},
		"a small volume too":              {BytesAxis(8.5 * (1 << 20)), "0 2 4 6 8 MiB"},
		"GiB where it is GiB":             {BytesAxis(2.1 * gib), "0 0.5 1 1.5 2 GiB"},
		"a huge volume":                   {BytesAxis(1e6 * (1 << 40)), "0 256 512 768 PiB"},
		"numbers by 1, 2 and 5":           {NumberAxis(64, "", 4), "0 20 40 60"},
		"large numbers":                   {NumberAxis(10_000, "", 4), "0 5000 10000"},
		"small numbers":                   {NumberAxis(0.19, "ms", 4), "0 0.05 0.1 0.15 ms"},
		"nothing at all is still an axis": {BytesAxis(0), "0 0.25 0.5 0.75 1 B"},
		"a single nanosecond, as an axis": {TimeAxis(1), "0 0.5 1 ns"},
	} {
		t.Run(name, func(t *testing.T) {
			var labels []string
			for _, tick := range c.axis.ticks {
				labels = append(labels, strings.ReplaceAll(tick.label, ",", ""))
			}
			got := strings.TrimSpace(strings.Join(labels, " ") + " " + c.axis.unit)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[float64]string{
		897 << 20: "897 MiB", 1164 << 20: "1.14 GiB", 2 * gib: "2 GiB", 1 << 19: "512 KiB", 1: "1 B", 3.2 * (1 << 40): "3.2 TiB", 83.4 * (1 << 20): "83.4 MiB",
	} {
		if got := Size(bytes); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWrite_Errors(t *testing.T) {
	chart := func(edit func(*Chart)) *Chart {
		c := sampleChart()
		edit(c)
		return c
	}
	for name, c := range map[string]struct {
		picture writer
		w       io.Writer
		format  string
		want    string
	}{
		"another format":      {pictures()["chart"], io.Discard, "gif", `format "gif" is not known: give svg or png`},
		"a disk without room": {pictures()["chart"], full{}, "svg", "write the svg: no space left"},
		"a title of two lines": {
			chart(func(c *Chart) { c.Title = "two\nlines" }), io.Discard, "svg",
			`"two\nlines" is not one printable line: leave out line breaks and control characters`,
		},
		"no title":               {&Bars{Bars: sampleBars()}, io.Discard, "svg", "title is empty: say what the picture shows"},
		"a curve without points": {chart(func(c *Chart) { c.Curves[0].Points = nil }), io.Discard, "svg", `curve "64Mi" has no points: leave it out`},
		"a point that is not a number": {
			chart(func(c *Chart) { c.Curves[0].Points[1].Y = math.NaN() }), io.Discard, "png", `curve "64Mi" has a point that is not a number: leave it out`,
		},
		"too many curves": {
			chart(func(c *Chart) {
				for range mostLabels {
					c.Curves = append(c.Curves, c.Curves[0])
				}
			}), io.Discard, "svg", "18 labels are too many to tell apart: draw at most 16 curves",
		},
		"no rows":  {&Rows{Title: "t", Span: 1}, io.Discard, "svg", `rows: "0" given: give from 1 to 8`},
		"no span":  {&Rows{Title: "t", Rows: make([]Row, 1)}, io.Discard, "svg", `span "0s" is not above 0: give the length of time to draw`},
		"no level": {&Rows{Title: "t", Rows: make([]Row, 1), Span: 1}, io.Discard, "svg", "a row has fewer than two levels: give at least the first and the last moment"},
		"no bars":  {&Bars{Title: "t"}, io.Discard, "svg", `bars: "0" given: give from 1 to 4`},
		"no parts": {&Bars{Title: "t", Bars: make([]Bar, 1)}, io.Discard, "svg", `bar "" has "0" parts: give from 1 to 6`},
		"no size":  {&Bars{Title: "t", Bars: []Bar{{Parts: make([]Part, 1)}}}, io.Discard, "svg", "a part is not larger than 0: leave it out"},
		"no chart": {&Grid{Title: "t"}, io.Discard, "svg", `charts: "0" given: give from 1 to 8`},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.picture.Write(c.w, c.format)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

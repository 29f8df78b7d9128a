package simulate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

func picture(t *testing.T, curves []Curve, title, format string) []byte {
	t.Helper()
	p, err := Plot(curves, title)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WritePlot(&b, p, format, DefaultWidth, DefaultHeight); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// texts returns the words of an SVG in their order; reading them to the end shows that it is well-formed.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var out []string
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("the SVG is not XML: %v", err)
		}
		if words, ok := token.(xml.CharData); ok && strings.TrimSpace(string(words)) != "" {
			out = append(out, string(words))
		}
	}
}

func TestWritePlot_SaysWhatItShows(t *testing.T) {
	roomy := Curve{Volume: Volume{"roomy", 4096 * mib}, Capacity: 1 << 20, FirstENOSPC: Never, Samples: made()[1].Samples, Peak: 51234, PeakBytes: 51234 * 4096}
	got := texts(t, picture(t, append(made(), roomy), `a <title> & "more"`, "svg"))
	want := []string{
		"default 64Mi: ENOSPC first after 15 h 10 min",
		"computed 897Mi: not full in 2 d 6 h (its size lies above the picture)",
		"roomy 4Gi: not full in 2 d 6 h (its size lies above the picture)",
		"size of the volume",
		"first file refused",
		`a <title> & "more"`,
		"days", "0", "1", "2",
		"MiB used", "0", "32", "64", "96", "128", "160", "192",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
}

func TestWritePlot_Ticks(t *testing.T) {
	for sentence, c := range map[string]struct {
		ticker plot.Ticker
		high   float64
		want   string
	}{
		"two weeks by days":                  {ticker(timeSteps[Day], maxTimeTicks), 14, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14"},
		"a month by two days":                {ticker(timeSteps[Day], maxTimeTicks), 30, "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30"},
		"a quarter by weeks":                 {ticker(timeSteps[Day], maxTimeTicks), 90, "0 7 14 21 28 35 42 49 56 63 70 77 84"},
		"a century by doubled years":         {ticker(timeSteps[Day], maxTimeTicks), 36500, "0 2920 5840 8760 11680 14600 17520 20440 23360 26280 29200 32120 35040"},
		"a day and a half by three hours":    {ticker(timeSteps[Hour], maxTimeTicks), 36, "0 3 6 9 12 15 18 21 24 27 30 33 36"},
		"an hour by five minutes":            {ticker(timeSteps[Minute], maxTimeTicks), 60, "0 5 10 15 20 25 30 35 40 45 50 55 60"},
		"a volume in powers of two":          {ticker(mebibyteSteps, maxSizeTicks), 950, "0 128 256 384 512 640 768 896"},
		"a small volume too":                 {ticker(mebibyteSteps, maxSizeTicks), 8.5, "0 1 2 3 4 5 6 7 8"},
		"a huge volume in doubled steps":     {ticker(mebibyteSteps, maxSizeTicks), 1e6, "0 131072 262144 393216 524288 655360 786432 917504"},
		"fractions where no whole unit fits": {ticker(timeSteps[Minute], maxTimeTicks), 0.5, "0.00 0.25 0.50"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var labels []string
			for _, tick := range c.ticker.Ticks(0, c.high) {
				if !tick.IsMinor() {
					labels = append(labels, tick.Label)
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(labels, " ")); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWritePlot_EqualSeeds(t *testing.T) {
	for _, format := range []string{"svg", "png"} {
		drawn := func() []byte {
			curves := mustRun(t, incident, []Volume{{"default", 64 * mib}, {"computed", 897 * mib}}, Options{Span: 2 * day, Step: time.Hour, Seed: 1})
			return picture(t, curves, "the incident", format)
		}
		if !bytes.Equal(drawn(), drawn()) {
			t.Errorf("two %s pictures of one seed differ", format)
		}
	}
}

func TestWritePlot_SizeOfAPNG(t *testing.T) {
	config, err := png.DecodeConfig(bytes.NewReader(picture(t, made(), "", "png")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{8 * dotsPerInch, 5 * dotsPerInch}, []int{config.Width, config.Height}); diff != "" {
		t.Errorf("pixels (-want +got):\n%s", diff)
	}
}

func TestWritePlot_FirstRefusal(t *testing.T) {
	got := points(made()[0], Day)
	want := plotter.XYs{{X: 0}, {X: 0.5, Y: 50.625}, {X: (15 + 1.0/6) / 24, Y: 64}, {X: 1, Y: 64}, {X: 1.5, Y: 64}, {X: 2, Y: 16383.0 / 256}, {X: 2.25, Y: 64}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

func TestWritePlot_ThinsLongLines(t *testing.T) {
	c := Curve{FirstENOSPC: Never}
	for i := range 50_001 {
		c.Samples = append(c.Samples, Sample{Time: time.Duration(i) * time.Minute, Bytes: mib})
	}
	c.Samples[31_415].Bytes = 9 * mib
	got := points(c, Minute)
	if len(got) > maxPoints+2 {
		t.Errorf("%d points", len(got))
	}
	ends := plotter.XYs{got[0], got[len(got)-1]}
	if diff := cmp.Diff(plotter.XYs{{X: 0, Y: 1}, {X: 50_000, Y: 1}}, ends); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	for _, p := range got {
		if p.X == 31_415 && p.Y == 9 {
			return
		}
	}
	t.Error("the peak is gone")
}

// Odd runs and odd sizes of the picture: an error is as good as a picture, a panic is neither.
func TestWritePlot_AnyRun(t *testing.T) {
	for sentence, c := range map[string]struct {
		m       Workload
		volumes []Volume
		o       Options
	}{
		"a run in which nothing arrives": {Workload{1e-9, 1, 0, 0, 4096}, []Volume{{"default", 64 * mib}}, Options{time.Minute, time.Minute, 1}},
		"a run of a nanosecond":          {Workload{1, 1, 0, 0, 4096}, []Volume{{"default", 64 * mib}}, Options{1, 1, 1}},
		"a run of a century":             {Workload{1e-3, 1, 0, 0, 4096}, []Volume{{"default", 64 * mib}}, Options{MaxSpan, MaxSpan / 1000, 1}},
		"a volume that holds no file":    {incident, []Volume{{"crumb", 1}}, Options{time.Hour, time.Minute, 1}},
		"the largest volume, one batch":  {Workload{1, 1_000_000_000, 0, 0, 1 << 33}, []Volume{{"all", math.MaxInt64}}, Options{MaxSpan / 100, MaxSpan / 100, 1}},
		"eight volumes with long names": {incident, func() (v []Volume) {
			for i := range int64(8) {
				v = append(v, Volume{fmt.Sprintf("%d %s", i, strings.Repeat("W", 61)), (i + 1) * 32 * mib})
			}
			return v
		}(), Options{2 * day, time.Hour, 1}},
	} {
		t.Run(sentence, func(t *testing.T) {
			curves := mustRun(t, c.m, c.volumes, c.o)
			p, err := Plot(curves, strings.Repeat("a long title ", 30))
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range [][2]vg.Length{{minSide, minSide}, {DefaultWidth, minSide}, {DefaultWidth, DefaultHeight}, {15 * vg.Inch, 12 * vg.Inch}} {
				var b bytes.Buffer
				if err := WritePlot(&b, p, "svg", size[0], size[1]); err != nil {
					if !strings.HasPrefix(err.Error(), "legend of ") || b.Len() > 0 {
						t.Errorf("%v: %v, with %d bytes written", size, err, b.Len())
					}
					continue
				}
				for _, text := range texts(t, b.Bytes()) {
					if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
						t.Errorf("%v: a label says %q", size, text)
					}
				}
			}
		})
	}
}

func TestWritePlot_Refuses(t *testing.T) {
	p, err := Plot(made(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Plot(made(), "two\nlines"); err == nil || err.Error() != `title "two\nlines" is not one printable line: leave out line breaks and control characters` {
		t.Errorf("a title of two lines: %v", err)
	}
	for sentence, c := range map[string]struct {
		w             io.Writer
		p             *plot.Plot
		format        string
		width, height vg.Length
		want          string
	}{
		"no plot":                      {io.Discard, nil, "svg", DefaultWidth, DefaultHeight, `plot "nil" cannot be drawn: give what Plot returns`},
		"another format":               {io.Discard, p, "gif", DefaultWidth, DefaultHeight, `format "gif" is not known: give svg or png`},
		"a width that is not a number": {io.Discard, p, "svg", vg.Length(math.NaN()), DefaultHeight, `width "NaN" in points is not from 216 to 2880: give from 3 to 40 inches of 72 points, such as 576`},
		"a height of a kilometre":      {io.Discard, p, "png", DefaultWidth, 1e5 * vg.Centimeter, `height "2.835e+06" in points is not from 216 to 2880: give from 3 to 40 inches of 72 points, such as 576`},
		"a disk without room":          {full{}, p, "svg", DefaultWidth, DefaultHeight, `write the svg: no space left`},
		"a legend wider than a stamp":  {io.Discard, p, "png", minSide, minSide, `legend of "348" by "53" points leaves the curves no room in the picture: give a larger width and height, fewer volumes or shorter names`},
	} {
		t.Run(sentence, func(t *testing.T) {
			err := WritePlot(c.w, c.p, c.format, c.width, c.height)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

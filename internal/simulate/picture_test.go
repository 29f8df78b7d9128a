package simulate

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/internal/picture"
)

func drawn(t *testing.T, curves []Curve, format string) []byte {
	t.Helper()
	p, err := Picture(curves, "what was played", "computed")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// texts returns the words of an SVG in their order, each with the meaning of its color.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var root struct {
		Texts []struct {
			Class string `xml:"class,attr"`
			Words string `xml:",chardata"`
		} `xml:"text"`
	}
	if err := xml.Unmarshal(svg, &root); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, text := range root.Texts {
		out = append(out, text.Class+" "+strings.ReplaceAll(text.Words, "\u00a0", " "))
	}
	return out
}

func TestPicture_SaysWhatItShows(t *testing.T) {
	at := func(i int, v Volume) Curve {
		c := made()[i]
		c.Volume = v
		return c
	}
	got := texts(t, drawn(t, append(made(), at(1, Volume{"roomy", 4096 * mib}), at(1, Volume{"given", 256 * mib})), "svg"))
	want := []string{
		"ink 64Mi fills in 15 hours; 256Mi holds", "neutral what was played",
		"neutral 0", "neutral 64", "neutral 128", "neutral 192", "neutral 256 MiB",
		"neutral 0", "neutral 1", "neutral 2 days",
		"fills 64Mi default", "neutral full after 15 h 10 min",
		"computed 897Mi computed", "neutral at most 22 % full; the size", "neutral itself lies above the picture",
		"holds 4Gi roomy", "neutral at most 4 % full; the size", "neutral itself lies above the picture",
		"holds 256Mi given", "neutral at most 78 % full",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
}

func TestMessage(t *testing.T) {
	fills := func(size int64, after time.Duration) Curve {
		return Curve{Volume: Volume{"v", size}, FirstENOSPC: after}
	}
	holds := func(size int64) Curve { return Curve{Volume: Volume{"v", size}, FirstENOSPC: Never} }
	for want, curves := range map[string][]Curve{
		"64Mi fills in 5 hours; 897Mi holds":                   {holds(897 * mib), fills(64*mib, 5*time.Hour+20*time.Minute)},
		"64Mi fills in 15 hours, 512Mi in 5 days; 897Mi holds": {fills(64*mib, 15*time.Hour), fills(256*mib, 61*time.Hour), fills(512*mib, 121*time.Hour), holds(897 * mib), holds(1024 * mib)},
		"64Mi fills in 90 seconds, 1Gi in 2.5 days":            {fills(64*mib, 90*time.Second), fills(1024*mib, 60*time.Hour)},
		"64Mi fills in 44 minutes":                             {fills(64*mib, 44*time.Minute)},
		"64Mi fills in 1 second; 2Gi holds":                    {fills(64*mib, time.Second), holds(2048 * mib)},
		"64Mi holds":                                           {holds(64 * mib), holds(128 * mib)},
		"64Mi fills in 30 days":                                {fills(64*mib, 30*day)},
	} {
		if got := strings.ReplaceAll(message(curves), "\u00a0", " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPicture_EqualSeeds(t *testing.T) {
	for _, format := range []string{"svg", "png"} {
		play := func() []byte {
			curves := mustRun(t, incident, []Volume{{"default", 64 * mib}, {"computed", 897 * mib}}, Options{Span: 2 * day, Step: time.Hour, Seed: 1})
			return drawn(t, curves, format)
		}
		if !bytes.Equal(play(), play()) {
			t.Errorf("two %s pictures of one seed differ", format)
		}
	}
}

func TestPicture_FirstRefusal(t *testing.T) {
	p, err := Picture(made(), "", "computed")
	if err != nil {
		t.Fatal(err)
	}
	at := func(hours float64, mebibytes float64) picture.Point {
		return picture.Point{X: hours * float64(time.Hour), Y: mebibytes * mib}
	}
	full := picture.Point{X: float64(15*time.Hour + 10*time.Minute), Y: 64 * mib}
	want := []picture.Point{at(0, 0), at(12, 50.625), full, at(24, 64), at(36, 64), at(48, 16383.0/256), at(54, 64)}
	if diff := cmp.Diff(want, p.Curves[0].Points); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]picture.Point{full}, p.Curves[0].Marks); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}

func TestPicture_ThinsLongLines(t *testing.T) {
	c := Curve{FirstENOSPC: Never}
	for i := range 50_001 {
		c.Samples = append(c.Samples, Sample{Time: time.Duration(i) * time.Minute, Bytes: mib})
	}
	c.Samples[31_415].Bytes = 9 * mib
	got := points(c)
	if len(got) > maxPoints+2 {
		t.Errorf("%d points", len(got))
	}
	ends := []picture.Point{got[0], got[len(got)-1]}
	if diff := cmp.Diff([]picture.Point{{X: 0, Y: mib}, {X: float64(50_000 * time.Minute), Y: mib}}, ends); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	for _, p := range got {
		if p.X == float64(31_415*time.Minute) && p.Y == 9*mib {
			return
		}
	}
	t.Error("the peak is gone")
}

// Any run has a picture.
func TestPicture_AnyRun(t *testing.T) {
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
			p, err := Picture(mustRun(t, c.m, c.volumes, c.o), strings.Repeat("a long line ", 30), "computed")
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Write(io.Discard, "png"); err != nil {
				t.Error(err)
			}
			var b bytes.Buffer
			if err := p.Write(&b, "svg"); err != nil {
				t.Fatal(err)
			}
			for _, word := range []string{"NaN", "Inf"} {
				if strings.Contains(b.String(), word) {
					t.Errorf("the picture has %q", word)
				}
			}
		})
	}
}

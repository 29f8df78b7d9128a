package simulate

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	day = 24 * time.Hour
	mib = 1 << 20
)

// incident is the outpost that filled its /dev/shm: one file for each request without a cookie, kept for a week.
var incident = Workload{CreatedPerMinute: 18, Batch: 1, Retention: 168 * time.Hour, SweepInterval: 5 * time.Minute, BytesPerFile: 4096}

func mustRun(t *testing.T, m Workload, volumes []Volume, o Options) []Curve {
	t.Helper()
	curves, err := Run(m, volumes, o)
	if err != nil {
		t.Fatal(err)
	}
	return curves
}

func TestRun_Seeds(t *testing.T) {
	volumes := []Volume{{"default", 64 * mib}, {"computed", 897 * mib}}
	o := Options{Span: 2 * day, Step: time.Hour, Seed: 7}
	first := mustRun(t, incident, volumes, o)
	if diff := cmp.Diff(first, mustRun(t, incident, volumes, o)); diff != "" {
		t.Errorf("the same seed gave another history (-first +second):\n%s", diff)
	}
	o.Seed = 8
	if cmp.Equal(first, mustRun(t, incident, volumes, o)) {
		t.Error("another seed gave the same history")
	}
}

func TestRun_VolumesAreIndependent(t *testing.T) {
	o := Options{Span: 2 * day, Step: time.Hour, Seed: 7}
	small, large := Volume{"default", 64 * mib}, Volume{"computed", 897 * mib}
	together := mustRun(t, incident, []Volume{small, large}, o)
	alone := append(mustRun(t, incident, []Volume{small}, o), mustRun(t, incident, []Volume{large}, o)...)
	if diff := cmp.Diff(alone, together); diff != "" {
		t.Errorf("a volume's curve depends on its neighbours (-alone +together):\n%s", diff)
	}
}

func TestRun_Samples(t *testing.T) {
	for sentence, c := range map[string]struct {
		span, step time.Duration
		want       []time.Duration
	}{
		"a span of whole steps ends in one of them":           {4 * time.Minute, 2 * time.Minute, []time.Duration{0, 2 * time.Minute, 4 * time.Minute}},
		"a span that breaks off has a shorter last step":      {5 * time.Minute, 2 * time.Minute, []time.Duration{0, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute}},
		"a step longer than the span leaves only its borders": {time.Minute, time.Hour, []time.Duration{0, time.Minute}},
	} {
		t.Run(sentence, func(t *testing.T) {
			curve := mustRun(t, incident, []Volume{{"default", 64 * mib}}, Options{Span: c.span, Step: c.step})[0]
			var got []time.Duration
			for _, s := range curve.Samples {
				got = append(got, s.Time)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("times (-want +got):\n%s", diff)
			}
		})
	}
}

// The state machine on its own, with arrivals at chosen moments: what the random runs rest on.
func TestRun_FilesExpire(t *testing.T) {
	const minute = int64(time.Minute)
	for sentence, c := range map[string]struct {
		retention, sweep time.Duration
		created, last    int64 // the last moment at which the file is alive
	}{
		"without sweeps a file goes at the age of the retention":    {10 * time.Minute, 0, 3 * minute, 13 * minute},
		"a sweep takes a file that is older than the retention":     {10 * time.Minute, 5 * time.Minute, 3 * minute, 15 * minute},
		"a sweep leaves a file that is exactly as old":              {10 * time.Minute, 5 * time.Minute, 5 * minute, 20 * minute},
		"a file just older than that goes with the sweep":           {10 * time.Minute, 5 * time.Minute, 5*minute - 1, 15 * minute},
		"a sweep rarer than the retention still takes all it finds": {time.Minute, 30 * time.Minute, 3 * minute, 30 * minute},
		"a retention of most of the run still ends":                 {50 * time.Minute, 0, 3 * minute, 53 * minute},
		"a retention of 0 keeps a file to the end":                  {0, 5 * time.Minute, 3 * minute, int64(time.Hour)},
		"so does one as long as the run":                            {time.Hour, 5 * time.Minute, 0, int64(time.Hour)},
	} {
		t.Run(sentence, func(t *testing.T) {
			m := Workload{CreatedPerMinute: 1, Batch: 1, Retention: c.retention, SweepInterval: c.sweep, BytesPerFile: 1}
			f := newFill(m, Volume{"v", 9}, Options{Span: time.Hour, Step: time.Hour})
			f.arrive(c.created, 1)
			f.sample(c.last)
			f.sample(c.last + 1)
			got := []int64{f.curve.Samples[0].Files, f.curve.Samples[1].Files}
			want := []int64{1, 0}
			if c.last == int64(time.Hour) {
				want[1] = 1
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("files at the last moment and after it (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun_BatchThatHalfFits(t *testing.T) {
	m := Workload{CreatedPerMinute: 1, Batch: 5, BytesPerFile: 4096}
	f := newFill(m, Volume{"seven files and a bit", 7*4096 + 4095}, Options{Span: time.Hour, Step: time.Hour})
	f.arrive(1, 5)
	f.arrive(2, 5)
	f.arrive(3, 5)
	f.sample(4)
	got := f.curve
	want := Curve{
		Volume:      Volume{"seven files and a bit", 7*4096 + 4095},
		Capacity:    7,
		Samples:     []Sample{{Time: 4, Files: 7, Bytes: 7 * 4096, Refused: 8}},
		FirstENOSPC: 2,
		Created:     15, Refused: 8, Peak: 7, PeakBytes: 7 * 4096,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("curve (-want +got):\n%s", diff)
	}
}

func TestRun_VolumeSmallerThanAFile(t *testing.T) {
	c := mustRun(t, incident, []Volume{{"crumb", 4095}}, Options{Span: time.Hour, Step: time.Hour})[0]
	if c.Refused != c.Created || c.Created == 0 || c.Peak != 0 {
		t.Errorf("created %d, refused %d, peak %d: want all refused", c.Created, c.Refused, c.Peak)
	}
}

// The queue must not grow with the length of the run.
func TestRun_MemoryIsBounded(t *testing.T) {
	m := Workload{CreatedPerMinute: 60, Batch: 1, Retention: time.Hour, BytesPerFile: 1}
	o := Options{Span: 30 * day, Step: 30 * day}
	f := newFill(m, Volume{"v", 1 << 40}, o)
	a := newArrivals(m, o)
	longest := 0
	for at := a.next(); at < int64(o.Span); at = a.next() {
		f.arrive(at, 1)
		longest = max(longest, cap(f.alive))
	}
	// About 3,600 files are alive of 2.6 million created. An append may reserve twice what it holds.
	if longest > 4*3600 {
		t.Errorf("the queue reached %d cohorts", longest)
	}
}

// workloads draws what a person could ask for, kept small enough to run in a blink and large enough for much to happen: rapid favours
// small numbers, and a range from 0 nanoseconds on would give runs in which nothing arrives.
func workloads(t *rapid.T) (Workload, Options) {
	minutes := func(least, most int, what string) time.Duration {
		return time.Duration(rapid.IntRange(least, most).Draw(t, what))*time.Minute + time.Duration(rapid.IntRange(0, 59_999).Draw(t, what+" ms"))*time.Millisecond
	}
	m := Workload{
		CreatedPerMinute: rapid.Float64Range(5, 50).Draw(t, "createdPerMinute"),
		Batch:            rapid.IntRange(1, 20).Draw(t, "batch"),
		BytesPerFile:     rapid.Int64Range(1, 65536).Draw(t, "bytesPerFile"),
	}
	if rapid.IntRange(0, 4).Draw(t, "ever deleted") > 0 {
		m.Retention = minutes(1, 90, "retention")
	}
	if rapid.Bool().Draw(t, "swept") {
		m.SweepInterval = minutes(0, 60, "sweepInterval")
	}
	o := Options{Span: minutes(60, 480, "span"), Seed: rapid.Uint64().Draw(t, "seed")}
	o.Step = o.Span / time.Duration(rapid.Int64Range(1, 50).Draw(t, "samples"))
	return m, o
}

// sizes draws a volume from one that holds a few files to one that holds about all that are ever alive, with some bytes left over.
func sizes(t *rapid.T, m Workload, what string) int64 {
	usual := m.CreatedPerMinute * max(10*time.Minute, m.Retention+m.SweepInterval).Minutes()
	files := int64(usual * rapid.Float64Range(0.01, 1.2).Draw(t, what))
	return (files+1)*m.BytesPerFile + rapid.Int64Range(0, m.BytesPerFile-1).Draw(t, what+" left over")
}

func TestRun_NoFileIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, o := workloads(t)
		c, err := Run(m, []Volume{{"v", sizes(t, m, "bytes")}}, o)
		if err != nil {
			t.Fatal(err)
		}
		last := c[0].Samples[len(c[0].Samples)-1]
		if got := last.Files + c[0].Deleted + c[0].Refused; got != c[0].Created {
			t.Errorf("alive %d + deleted %d + refused %d = %d, but created %d", last.Files, c[0].Deleted, c[0].Refused, got, c[0].Created)
		}
		if (c[0].FirstENOSPC == Never) != (c[0].Refused == 0) {
			t.Errorf("first ENOSPC %v with %d refused", c[0].FirstENOSPC, c[0].Refused)
		}
		refused := int64(0)
		for _, s := range append(c[0].Samples, Sample{Files: c[0].Peak, Bytes: c[0].PeakBytes, Refused: c[0].Refused}) {
			if s.Files < 0 || s.Files > c[0].Peak || s.Bytes != s.Files*m.BytesPerFile || s.Bytes > c[0].Volume.Bytes || s.Refused < refused {
				t.Errorf("impossible sample %+v: peak %d files, volume of %d bytes", s, c[0].Peak, c[0].Volume.Bytes)
			}
			refused = s.Refused
		}
	})
}

// All files of a run are kept equally long, up to a sweep that keeps their order: then taking what comes whenever there is room
// accepts the most files that can be had up to any moment, and more room never accepts fewer. So this holds in each history, not
// only on average.
func TestRun_MonotoneInTheVolume(t *testing.T) {
	runs, telling := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		m, o := workloads(t)
		a, b := sizes(t, m, "one"), sizes(t, m, "other")
		small, large := min(a, b), max(a, b)
		c, err := Run(m, []Volume{{"smaller", small}, {"larger", large}}, o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c[0].Samples {
			if c[0].Samples[i].Refused < c[1].Samples[i].Refused {
				t.Errorf("at %v the smaller refused %d and the larger %d", c[0].Samples[i].Time, c[0].Samples[i].Refused, c[1].Samples[i].Refused)
			}
		}
		if c[1].FirstENOSPC != Never && (c[0].FirstENOSPC == Never || c[0].FirstENOSPC > c[1].FirstENOSPC) {
			t.Errorf("the smaller was full at %v and the larger at %v", c[0].FirstENOSPC, c[1].FirstENOSPC)
		}
		if c[0].Peak > c[1].Peak {
			t.Errorf("the smaller held %d files and the larger %d", c[0].Peak, c[1].Peak)
		}
		runs++
		if c[1].Refused > 0 && c[0].Refused > c[1].Refused && c[1].Deleted > 0 {
			telling++
		}
	})
	if telling < runs/10 {
		t.Errorf("only %d of %d runs had refusals in both volumes and deletions: the sizes drawn show too little", telling, runs)
	}
}

// Any values at all: an error or a run, never a panic.
func FuzzRunNeverPanics(f *testing.F) {
	f.Add(18.0, 1, int64(168*time.Hour), int64(5*time.Minute), int64(4096), int64(64*mib), int64(day), int64(time.Hour), uint64(1))
	f.Add(math.NaN(), 0, int64(-1), int64(-1), int64(0), int64(0), int64(0), int64(0), uint64(0))
	f.Add(math.SmallestNonzeroFloat64, math.MaxInt, int64(math.MaxInt64), int64(1), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), uint64(math.MaxUint64))
	f.Add(1e-300, 1_000_000_000, int64(MaxSpan)-1, int64(1), int64(1), int64(math.MaxInt64), int64(MaxSpan), int64(MaxSpan), uint64(3))
	f.Fuzz(func(t *testing.T, rate float64, batch int, retention, sweep, bytesPerFile, bytes, span, step int64, seed uint64) {
		m := Workload{rate, batch, time.Duration(retention), time.Duration(sweep), bytesPerFile}
		o := Options{time.Duration(span), time.Duration(step), seed}
		if rate/float64(batch)*o.Span.Minutes() > 1e5 {
			t.Skip("slow, and no different")
		}
		curves, err := Run(m, []Volume{{"v", bytes}}, o)
		if err != nil {
			return
		}
		last := curves[0].Samples[len(curves[0].Samples)-1]
		if last.Time != o.Span || last.Bytes < 0 || last.Bytes > bytes {
			t.Errorf("last sample %+v of a span of %v and %d bytes", last, o.Span, bytes)
		}
	})
}

func ExampleRun() {
	curves, err := Run(incident, []Volume{{"default", 64 * mib}, {"computed", 897 * mib}}, Options{Span: 14 * day, Step: time.Hour, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range curves {
		fmt.Println(Sentence(c))
	}
	// Output:
	// default 64Mi: ENOSPC first after 15 h 12 min; 328,985 of 361,753 files refused
	// computed 897Mi: not full in 14 d; peak 181,715 files (709.8 MiB, 79 % of 897Mi)
}

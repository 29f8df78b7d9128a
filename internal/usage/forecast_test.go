package usage_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/internal/usage"
)

const (
	page = 4096
	mib  = 1 << 20
)

var began = time.Date(2026, 4, 18, 0, 0, 0, 0, time.UTC)

// play returns the samples of one history, and when the volume was full; simulate.Never if it was
// not.
func play(t *testing.T, seed uint64, w simulate.Workload, size int64, span, step time.Duration) (samples []usage.Sample, full time.Duration) {
	t.Helper()
	curves, err := simulate.Run(w, []simulate.Volume{{Name: "v", Bytes: size}}, simulate.Options{Span: span, Step: step, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range curves[0].Samples {
		samples = append(samples, usage.Sample{Time: began.Add(s.Time), Used: s.Bytes, Capacity: size, InodesUsed: s.Files + 1})
	}
	return samples, curves[0].FirstENOSPC
}

// From half full on, the time that is left is known within 15 per cent, for a default /dev/shm and
// for volumes that take days to fill.
func TestForecast_FromHalfFullOn(t *testing.T) {
	for name, tc := range map[string]struct {
		workload   simulate.Workload
		size       int64
		span, step time.Duration
	}{
		"the incident in 64 MiB, each minute":          {simulate.Workload{CreatedPerMinute: 18, Batch: 1}, 64 * mib, 20 * time.Hour, time.Minute},
		"the incident in 64 MiB, each five minutes":    {simulate.Workload{CreatedPerMinute: 18, Batch: 1}, 64 * mib, 20 * time.Hour, 5 * time.Minute},
		"the incident in 512 MiB, and a week kept":     {simulate.Workload{CreatedPerMinute: 18, Batch: 1, Retention: 168 * time.Hour, SweepInterval: 5 * time.Minute}, 512 * mib, 130 * time.Hour, time.Minute},
		"240 a minute in 64 MiB":                       {simulate.Workload{CreatedPerMinute: 240, Batch: 1}, 64 * mib, 80 * time.Minute, 10 * time.Second},
		"batches of 10 in 256 MiB":                     {simulate.Workload{CreatedPerMinute: 18, Batch: 10}, 256 * mib, 70 * time.Hour, time.Minute},
		"eight hours kept, in a volume that holds six": {simulate.Workload{CreatedPerMinute: 18, Batch: 1, Retention: 8 * time.Hour, SweepInterval: 5 * time.Minute}, 25 * mib, 10 * time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			tc.workload.BytesPerFile = page
			var errs []float64
			for seed := range uint64(20) {
				samples, full := play(t, seed, tc.workload, tc.size, tc.span, tc.step)
				if full == simulate.Never {
					t.Fatalf("seed %d: the volume is not full within %s: give the simulation longer", seed, tc.span)
				}
				s := usage.NewSeries(began, usage.DefaultPoints)
				for i, x := range samples {
					s.Add(x)
					if i%10 > 0 {
						continue
					}
					left := (full - x.Time.Sub(began)).Seconds()
					if x.Used < tc.size/2 || x.Used > tc.size-page || left <= 0 {
						continue
					}
					got := s.Forecast(usage.Outlook{Retention: tc.workload.Retention, SweepInterval: tc.workload.SweepInterval}).SecondsUntilFull
					// Nobody acts on less than the time between two samples.
					errs = append(errs, max(0, math.Abs(got-left)-tc.step.Seconds())/left)
				}
			}
			slices.Sort(errs)
			at := errs[len(errs)*9/10]
			t.Logf("%d forecasts: median %.1f %%, 90th percentile %.1f %%, worst %.1f %%", len(errs), 100*errs[len(errs)/2], 100*at, 100*errs[len(errs)-1])
			if at > 0.15 {
				t.Errorf("the 90th percentile of the error is %.3f; want at most 0.15", at)
			}
		})
	}
}

// A volume of the size that is computed for a workload fills in no forecast: neither while it
// grows, nor when it is steady, and sweeps make it rise and fall.
func TestForecast_NeverForAVolumeThatIsLargeEnough(t *testing.T) {
	for name, w := range map[string]simulate.Workload{
		"eight hours kept":              {CreatedPerMinute: 18, Batch: 1, Retention: 8 * time.Hour, SweepInterval: 5 * time.Minute},
		"an hour kept, swept each hour": {CreatedPerMinute: 60, Batch: 1, Retention: time.Hour, SweepInterval: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w.BytesPerFile = page
			most := int64(w.CreatedPerMinute * (w.Retention + w.SweepInterval).Minutes() * 1.3)
			for seed := range uint64(20) {
				samples, full := play(t, seed, w, most*page, 72*time.Hour, time.Minute)
				if full != simulate.Never {
					t.Fatalf("seed %d: the volume is full after %s; it should not be", seed, full)
				}
				s := usage.NewSeries(began, usage.DefaultPoints)
				for i, x := range samples {
					s.Add(x)
					if i%3 > 0 {
						continue
					}
					if got := s.Forecast(usage.Outlook{Retention: w.Retention, SweepInterval: w.SweepInterval}); got.SecondsUntilFull < 3600 {
						t.Fatalf("seed %d: %s after the start, with %d bytes of %d, the volume is said to be full in %.0f s", seed, x.Time.Sub(began), x.Used, x.Capacity, got.SecondsUntilFull)
					}
				}
			}
		})
	}
}

func TestForecast_Edges(t *testing.T) {
	sample := func(at time.Duration, used int64) usage.Sample {
		return usage.Sample{Time: began.Add(at), Used: used, Capacity: 64 * mib, InodesUsed: used/page + 1}
	}
	for name, tc := range map[string]struct {
		samples []usage.Sample
		outlook usage.Outlook
		want    usage.Forecast
	}{
		"no sample":                                     {want: usage.Forecast{SecondsUntilFull: math.Inf(1)}},
		"one sample, empty":                             {samples: []usage.Sample{sample(time.Hour, 0)}, want: usage.Forecast{SecondsUntilFull: math.Inf(1)}},
		"one sample, an hour after the start":           {samples: []usage.Sample{sample(time.Hour, 16*mib)}, want: usage.Forecast{FillRate: 16 * mib / 3600.0, SecondsUntilFull: 3 * 3600}},
		"one sample, and the files expire before":       {samples: []usage.Sample{sample(time.Hour, 16*mib)}, outlook: usage.Outlook{Retention: 2 * time.Hour}, want: usage.Forecast{FillRate: 16 * mib / 3600.0, SecondsUntilFull: math.Inf(1)}},
		"one sample, and the files should have expired": {samples: []usage.Sample{sample(time.Hour, 16*mib)}, outlook: usage.Outlook{Retention: 30 * time.Minute}, want: usage.Forecast{FillRate: 16 * mib / 3600.0, SecondsUntilFull: 3 * 3600}},
		"full":                 {samples: []usage.Sample{sample(0, 64*mib), sample(time.Hour, 64*mib)}, want: usage.Forecast{}},
		"falling":              {samples: []usage.Sample{sample(0, 36<<20), sample(time.Hour, 0)}, want: usage.Forecast{FillRate: -36.0 * mib / 3600, SecondsUntilFull: math.Inf(1)}},
		"a page in two months": {samples: []usage.Sample{sample(0, 0), sample(1440*time.Hour, page)}, want: usage.Forecast{FillRate: page / 3600.0 / 1440, SecondsUntilFull: math.Inf(1)}},
	} {
		s := usage.NewSeries(began, usage.DefaultPoints)
		for _, x := range tc.samples {
			s.Add(x)
		}
		if got := s.Forecast(tc.outlook); math.Abs(got.FillRate-tc.want.FillRate) > 1e-6 || math.Abs(got.SecondsUntilFull-tc.want.SecondsUntilFull) > 1e-3 {
			t.Errorf("%s: %+v; want %+v", name, got, tc.want)
		}
	}
}

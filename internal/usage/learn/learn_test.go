package learn

import (
	"fmt"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/simulate"
)

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

// The incident's files, and others that come more rarely or more often: six hours teach the rate,
// whether files have expired by then or not.
func TestFrom_RateAfterSixHours(t *testing.T) {
	for _, perMinute := range []float64{6, 18, 240} {
		for _, retention := range []time.Duration{0, hour, 4 * hour, 168 * hour} {
			for _, step := range []time.Duration{minute, 5 * minute} {
				if tooCoarse(retention, step) {
					continue
				}
				var errs []float64
				for seed := range uint64(seeds) {
					w := simulate.Workload{CreatedPerMinute: perMinute, Batch: 1, Retention: retention, SweepInterval: 5 * minute, BytesPerFile: page}
					samples, _ := simulated(t, seed, w, capacity, 6*hour, step)
					e := From(series(samples), Declared{SweepInterval: 5 * minute})
					errs = append(errs, off(e.CreatedPerMinute, perMinute))
				}
				what := human(perMinute) + " a minute, kept " + span(retention) + ", sampled each " + span(step)
				if got := ninetieth(t, what, errs); got > 0.1 {
					t.Errorf("%s: the 90th percentile of the error of the rate is %.3f; want at most 0.1", what, got)
				}
			}
		}
	}
}

// The retention is known when the first files have expired, and a twentieth of it has passed.
func TestFrom_RetentionAfterTheFirstExpiry(t *testing.T) {
	for _, perMinute := range []float64{6, 18, 240} {
		for _, retention := range []time.Duration{hour, 4 * hour, 24 * hour, 168 * hour} {
			for _, step := range []time.Duration{minute, 5 * minute} {
				if tooCoarse(retention, step) {
					continue
				}
				if perMinute*retention.Minutes() > 200_000 {
					continue
				}
				var errs, rates []float64
				for seed := range uint64(seeds) {
					w := simulate.Workload{CreatedPerMinute: perMinute, Batch: 1, Retention: retention, SweepInterval: 5 * minute, BytesPerFile: page}
					samples, _ := simulated(t, seed, w, capacity, retention+max(retention/10, 80*minute), step)
					e := From(series(samples), Declared{SweepInterval: 5 * minute})
					errs = append(errs, off(e.Retention.Hours(), retention.Hours()))
					rates = append(rates, off(e.CreatedPerMinute, perMinute))
				}
				what := human(perMinute) + " a minute, kept " + span(retention) + ", sampled each " + span(step)
				if got := ninetieth(t, "retention, "+what, errs); got > 0.15 {
					t.Errorf("%s: the 90th percentile of the error of the retention is %.3f; want at most 0.15", what, got)
				}
				if got := ninetieth(t, "rate, "+what, rates); got > 0.1 {
					t.Errorf("%s: the 90th percentile of the error of the rate is %.3f; want at most 0.1", what, got)
				}
			}
		}
	}
}

func TestFrom_OtherRhythms(t *testing.T) {
	for name, tc := range map[string]struct {
		world
		from, span      time.Duration
		rate, retention float64 // the largest errors that are accepted
		mean            float64
	}{
		"batches of 20, before the first expiry":           {world: world{perMinute: steady(18), most: 18, batch: 20, retention: 168 * hour, sweep: 5 * minute}, span: 6 * hour, rate: 0.25, mean: 18},
		"batches of 20, a day kept, after three days":      {world: world{perMinute: steady(18), most: 18, batch: 20, retention: day, sweep: 5 * minute}, span: 3 * day, rate: 0.15, retention: 0.15, mean: 18},
		"a daily rhythm, a week kept, after two days":      {world: world{perMinute: daily(18), most: 32, batch: 1, retention: 7 * day, sweep: 5 * minute}, span: 2 * day, rate: 0.1, mean: 18},
		"a daily rhythm, a day kept, after three days":     {world: world{perMinute: daily(18), most: 32, batch: 1, retention: day, sweep: 5 * minute}, span: 3 * day, rate: 0.1, retention: 0.15, mean: 18},
		"a daily rhythm, two hours kept: the busiest ones": {world: world{perMinute: daily(18), most: 32, batch: 1, retention: 2 * hour, sweep: 5 * minute}, span: 3 * day, rate: 0.1, retention: 0.15, mean: 31.1},
		"emptied after five hours, a week kept":            {world: world{perMinute: steady(18), most: 18, batch: 1, retention: 7 * day, sweep: 5 * minute, emptied: 5 * hour}, span: 11 * hour, rate: 0.1, mean: 18},
		"emptied after five hours, eight hours kept":       {world: world{perMinute: steady(18), most: 18, batch: 1, retention: 8 * hour, sweep: 5 * minute, emptied: 5 * hour}, span: 20 * hour, rate: 0.1, retention: 0.15, mean: 18},
		"watched from the third day on, a day kept":        {world: world{perMinute: steady(18), most: 18, batch: 1, retention: day, sweep: 5 * minute}, from: 3 * day, span: 3*day + 6*hour, rate: 0.1, retention: 0.15, mean: 18},
		"watched from the second day on, a week kept":      {world: world{perMinute: steady(18), most: 18, batch: 1, retention: 7 * day, sweep: 5 * minute}, from: 2 * day, span: 2*day + 6*hour, rate: 0.1, mean: 18},
	} {
		t.Run(name, func(t *testing.T) {
			var rates, retentions []float64
			for seed := range uint64(seeds) {
				e := From(series(tc.samples(seed, tc.from, tc.span, minute)), Declared{SweepInterval: 5 * minute})
				rates = append(rates, off(e.CreatedPerMinute, tc.mean))
				retentions = append(retentions, off(e.Retention.Hours(), tc.world.retention.Hours()))
				if tc.retention == 0 && e.Retention != 0 {
					t.Errorf("seed %d: a retention of %s is learned before any file has expired", seed, e.Retention)
				}
			}
			if got := ninetieth(t, "rate, "+name, rates); got > tc.rate {
				t.Errorf("the 90th percentile of the error of the rate is %.3f; want at most %.2f", got, tc.rate)
			}
			if tc.retention > 0 {
				if got := ninetieth(t, "retention, "+name, retentions); got > tc.retention {
					t.Errorf("the 90th percentile of the error of the retention is %.3f; want at most %.2f", got, tc.retention)
				}
			}
		})
	}
}

// tooCoarse reports whether a life of a file has so few samples that what is learned is coarse: 12 of
// five minutes in an hour give errors of up to 16 % at the 90th percentile.
func tooCoarse(retention, step time.Duration) bool { return retention > 0 && retention < 30*step }

func human(f float64) string { return fmt.Sprint(f) }

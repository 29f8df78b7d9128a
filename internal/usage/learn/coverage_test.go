package learn

import (
	"fmt"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/simulate"
)

// coverage is the share of histories whose interval has to contain the truth. It is 95 % by design, and a
// simulation of so many may fall short of that by chance.
const coverage = 0.9

// covered counts the estimates of many histories whose intervals contain the truth, and prints them with the errors.
type covered struct {
	rates, retentions        []float64
	inRate, inRetention, all int
	learned                  int // a retention
}

func (c *covered) add(e *Estimate, perMinute float64, retention time.Duration) {
	c.all++
	c.rates = append(c.rates, off(e.CreatedPerMinute, perMinute))
	if e.Rate.Low <= perMinute && perMinute <= e.Rate.High {
		c.inRate++
	}
	if e.Retention == 0 {
		return
	}
	c.learned++
	c.retentions = append(c.retentions, off(e.Retention.Hours(), retention.Hours()))
	if e.RetentionInterval[0] <= retention && retention <= e.RetentionInterval[1] {
		c.inRetention++
	}
}

// check fails if too few intervals contain the truth, and returns the 90th percentile of the error of the rate.
func (c *covered) check(t *testing.T, what string) float64 {
	t.Helper()
	worst := ninetieth(t, "rate, "+what, c.rates)
	share := float64(c.inRate) / float64(c.all)
	t.Logf("%-64s %3.0f %% of the intervals of the rate contain it", what, 100*share)
	if share < coverage {
		t.Errorf("%s: %.0f %% of the intervals contain the rate; want at least %.0f %%", what, 100*share, 100*coverage)
	}
	if c.learned == 0 {
		return worst
	}
	ninetieth(t, "retention, "+what, c.retentions)
	share = float64(c.inRetention) / float64(c.learned)
	t.Logf("%-64s %3.0f %% of %d intervals of the retention contain it", what, 100*share, c.learned)
	if share < coverage {
		t.Errorf("%s: %.0f %% of the intervals contain the retention; want at least %.0f %%", what, 100*share, 100*coverage)
	}
	return worst
}

const histories = 60

// The kubelet measures every ten seconds. Where time runs 2,400 times faster that is a sample in 6 h 40 min, and few of them lie after
// the first expiry: too few to be sure of a level, but enough to see that the slope has ended.
func TestFrom_FewSamplesAfterTheFirstExpiry(t *testing.T) {
	const retention, sweep, step = 168 * hour, hour, 400 * minute
	w := simulate.Workload{CreatedPerMinute: 18, Batch: 1, Retention: retention, SweepInterval: sweep, BytesPerFile: page}
	for after := range 9 { // and a part of a step
		var c covered
		for seed := range uint64(histories) {
			samples, _ := simulated(t, seed, w, capacity, retention+time.Duration(after)*step+time.Duration(seed)*step/histories, step)
			e := From(series(samples), Declared{SweepInterval: sweep})
			c.add(&e, w.CreatedPerMinute, retention)
		}
		what := fmt.Sprintf("%d samples of %s after a week", after, span(step))
		if got := c.check(t, what); got > 0.05 {
			t.Errorf("%s: the 90th percentile of the error of the rate is %.3f; want at most 0.05", what, got)
		}
	}
}

// Intervals contain what they are about, at every age of a volume.
func TestFrom_IntervalsContainTheTruth(t *testing.T) {
	for _, perMinute := range []float64{6, 18, 240} {
		for _, retention := range []time.Duration{4 * hour, 24 * hour} {
			for _, ages := range []float64{0.9, 1.02, 1.1, 2, 4} {
				if perMinute*ages*retention.Minutes() > 200_000 {
					continue
				}
				var c covered
				w := simulate.Workload{CreatedPerMinute: perMinute, Batch: 1, Retention: retention, SweepInterval: 5 * minute, BytesPerFile: page}
				for seed := range uint64(histories) {
					samples, _ := simulated(t, seed, w, capacity, time.Duration(ages*float64(retention)).Truncate(minute), minute)
					e := From(series(samples), Declared{SweepInterval: 5 * minute})
					if e.Phase != TooEarly {
						c.add(&e, perMinute, retention)
					}
				}
				c.check(t, fmt.Sprintf("%s a minute, kept %s, after %.2f of that", human(perMinute), span(retention), ages))
			}
		}
	}
}

// Batches, a rhythm and a cleaning are not the end of a slope.
func TestFrom_IntervalsOfOtherRhythms(t *testing.T) {
	for name, tc := range map[string]struct {
		world
		from, span, step time.Duration
		mean             float64
	}{
		"batches of 20, a week kept":                {world{perMinute: steady(18), most: 18, batch: 20, retention: 7 * day, sweep: 5 * minute}, 0, day, minute, 18},
		"batches of 20, a day kept, just after it":  {world{perMinute: steady(18), most: 18, batch: 20, retention: day, sweep: 5 * minute}, 0, 25 * hour, minute, 18},
		"a daily rhythm, a week kept, in a night":   {world{perMinute: daily(18), most: 32, batch: 1, retention: 7 * day, sweep: 5 * minute}, 0, 52 * hour, minute, 17.04},
		"the same, each quarter of an hour":         {world{perMinute: daily(18), most: 32, batch: 1, retention: 7 * day, sweep: 5 * minute}, 0, 52 * hour, 15 * minute, 17.04},
		"offices that close at night, a week kept":  {world{perMinute: office(18), most: 36, batch: 1, retention: 7 * day, sweep: 5 * minute}, 0, 30 * hour, minute, 36 * 12 / 22.0},
		"the same, each half of an hour":            {world{perMinute: office(18), most: 36, batch: 1, retention: 7 * day, sweep: 5 * minute}, 0, 30 * hour, 30 * minute, 36 * 12 / 22.0},
		"emptied after five hours, a week kept":     {world{perMinute: steady(18), most: 18, batch: 1, retention: 7 * day, sweep: 5 * minute, emptied: 5 * hour}, 0, 11 * hour, minute, 18},
		"watched from the third day on, a day kept": {world{perMinute: steady(18), most: 18, batch: 1, retention: day, sweep: 5 * minute}, 3 * day, 3*day + 6*hour, minute, 18},
	} {
		t.Run(name, func(t *testing.T) {
			var c covered
			for seed := range uint64(histories / 2) {
				e := From(series(tc.samples(seed, tc.from, tc.span, tc.step)), Declared{SweepInterval: 5 * minute})
				c.add(&e, tc.mean, tc.retention)
			}
			if got := c.check(t, name); got > 0.1 {
				t.Errorf("%s: the 90th percentile of the error of the rate is %.3f; want at most 0.1", name, got)
			}
		})
	}
}

// office returns a rhythm in which files come from eight in the morning until eight in the evening alone.
func office(perMinute float64) func(time.Duration) float64 {
	return func(at time.Duration) float64 {
		if h := (at % day).Hours(); h < 8 || h >= 20 {
			return 0
		}
		return 2 * perMinute
	}
}

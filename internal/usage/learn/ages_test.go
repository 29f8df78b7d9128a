package learn

import (
	"testing"
	"time"
)

// agesOf lists what a world has left at a moment.
func agesOf(w world, seed uint64, at time.Duration) Ages {
	created := w.alive(seed, at)
	a := Ages{Files: int64(len(created)), Bytes: int64(len(created)) * page, Running: at}
	for _, age := range []time.Duration{minute, 10 * minute, hour, 6 * hour, day, 3 * day, 7 * day} {
		y := Younger{Age: age}
		for _, c := range created {
			if at-c < age {
				y.Files++
			}
		}
		a.Younger = append(a.Younger, y)
	}
	if len(created) > 0 {
		a.Oldest = at - created[0]
	}
	return a
}

// One listing tells the rate and how old files get.
func TestFromAges(t *testing.T) {
	for name, tc := range map[string]struct {
		world
		at   time.Duration
		most float64 // the error of the rate at the 90th percentile
	}{
		"an hour old, a week kept":              {world{perMinute: steady(18), most: 18, batch: 1, retention: 7 * day, sweep: 5 * minute}, hour, 0.1},
		"half a day old, a week kept":           {world{perMinute: steady(18), most: 18, batch: 1, retention: 7 * day, sweep: 5 * minute}, 12 * hour, 0.06},
		"three days old, a day kept":            {world{perMinute: steady(18), most: 18, batch: 1, retention: day, sweep: 5 * minute}, 3 * day, 0.03},
		"a day old, two hours kept":             {world{perMinute: steady(6), most: 6, batch: 1, retention: 2 * hour, sweep: 5 * minute}, day, 0.12},
		"batches of 20, a day old, a week kept": {world{perMinute: steady(18), most: 18, batch: 20, retention: 7 * day, sweep: 5 * minute}, day, 0.12},
		"a few files a day":                     {world{perMinute: steady(0.05), most: 0.05, batch: 1, retention: 30 * day, sweep: hour}, 2 * day, 0.4},
	} {
		t.Run(name, func(t *testing.T) {
			var c covered
			for seed := range uint64(histories) {
				e := FromAges(agesOf(tc.world, seed, tc.at), Declared{SweepInterval: tc.sweep})
				if (e.Phase == Steady) != (tc.at > tc.retention) {
					t.Errorf("seed %d: the phase is %s", seed, e.Phase)
				}
				c.add(&e, tc.perMinute(0), tc.retention)
			}
			if got := c.check(t, name); got > tc.most {
				t.Errorf("the 90th percentile of the error of the rate is %.3f; want at most %.2f", got, tc.most)
			}
		})
	}
}

func TestFromAges_TooFew(t *testing.T) {
	for name, a := range map[string]Ages{
		"nothing":        {},
		"ten, no ages":   {Files: 10, Bytes: 10 * page, Oldest: hour},
		"all at present": {Files: 100, Bytes: 100 * page},
	} {
		if e := FromAges(a, Declared{}); e.Phase != TooEarly || e.CreatedPerMinute != 0 || e.Retention != 0 {
			t.Errorf("%s: got %+v", name, e)
		}
	}
}

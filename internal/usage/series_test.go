package usage_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/internal/usage"
)

func TestSeries_IsBoundedAndKeepsItsEnds(t *testing.T) {
	s := usage.NewSeries(began, usage.DefaultPoints)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		s.Add(usage.Sample{Time: began.Add(time.Duration(i) * time.Minute), Used: random.Int64N(64 * mib), Capacity: 64 * mib})
		if s.Len() > usage.DefaultPoints {
			t.Fatalf("after %d samples there are %d points; want at most %d", i+1, s.Len(), usage.DefaultPoints)
		}
	}
	points := s.Points()
	if first, last := points[0].Time, points[len(points)-1].Time; !first.Equal(began) || !last.Equal(began.Add(99_999*time.Minute)) {
		t.Errorf("the points are from %s to %s; want the first and the last sample", first, last)
	}
	var longest time.Duration
	for i := range points[1:] {
		longest = max(longest, points[i+1].Time.Sub(points[i].Time))
	}
	if longest > 100_000*time.Minute/48 {
		t.Errorf("two points are %s apart; want them spread evenly", longest)
	}
}

// Whatever a source says, in whatever order, nothing panics, and figures stay within reason.
func TestSeries_AnySamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := usage.NewSeries(began.Add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "start"))), usage.DefaultPoints)
		capacity := rapid.Int64Range(1, 1<<50).Draw(t, "capacity")
		for range rapid.IntRange(0, 400).Draw(t, "samples") {
			x := usage.Sample{
				Time: began.Add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "time"))),
				Used: rapid.Int64Range(0, capacity).Draw(t, "used"), Capacity: capacity, InodesUsed: rapid.Int64Range(0, 1<<50).Draw(t, "inodes"),
			}
			s.Add(x)
		}
		f := s.Forecast(usage.Outlook{Retention: time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "retention"))})
		if !(f.SecondsUntilFull >= 0) || f.FillRate != f.FillRate {
			t.Fatalf("the forecast is %+v", f)
		}
		points := s.Points()
		for i := range points {
			if i > 0 && (!points[i].Time.After(points[i-1].Time) || points[i].Written < points[i-1].Written) {
				t.Fatalf("points %d and %d are %+v and %+v", i-1, i, points[i-1], points[i])
			}
		}
	})
}

// A container that restarts keeps the files. A Pod that replaces another begins empty, with a series of
// its own. Deleting every file begins the series again.
func TestSeries_Emptied(t *testing.T) {
	s := usage.NewSeries(began, usage.DefaultPoints)
	at := func(minutes int, files int64) {
		s.Add(usage.Sample{Time: began.Add(time.Duration(minutes) * time.Minute), Used: files * page, Capacity: 64 * mib, InodesUsed: files + 1})
	}
	for i := range 60 {
		at(i, int64(i*18))
	}
	at(60, 9)
	if s.Emptied() != 1 || !s.Begin().Equal(began.Add(time.Hour)) || s.Expiry() != nil {
		t.Errorf("emptied %d times, begins at %s, expiry %v; want 1, an hour after the start, and none", s.Emptied(), s.Begin(), s.Expiry())
	}
	if peak, when := s.Peak(); peak != 59*18*page || !when.Equal(began.Add(59*time.Minute)) {
		t.Errorf("the peak is %d at %s; want what was there just before", peak, when)
	}
}

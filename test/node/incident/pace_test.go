//go:build linux && node

package incident

import (
	"math"
	"testing"
	"time"
)

// A machine that sends every request on time for ten seconds, falls behind by a second in the next ten, and makes up for
// half of it in ten more.
func lateLoad() *load {
	return &load{timeFactor: 60, marks: []mark{{at: 0}, {at: 10 * time.Second}, {at: 20 * time.Second, late: time.Second}, {at: 30 * time.Second, late: time.Second / 2}}}
}

func TestLoad_TimePassesWithItsRequests(t *testing.T) {
	t.Parallel()
	for at, want := range map[time.Duration]time.Duration{
		0:                0,
		5 * time.Second:  5 * time.Minute,
		10 * time.Second: 10 * time.Minute,
		15 * time.Second: 14*time.Minute + 30*time.Second,
		20 * time.Second: 19 * time.Minute,
		25 * time.Second: 24*time.Minute + 15*time.Second,
		30 * time.Second: 29*time.Minute + 30*time.Second,
		40 * time.Second: 39*time.Minute + 30*time.Second, // as late as at the last mark
	} {
		if got := lateLoad().passed(at); got != want {
			t.Errorf("after %s of this machine's time, %s have passed; want %s", at, got, want)
		}
	}
	if got := (&load{timeFactor: 60}).passed(time.Second); got != time.Minute {
		t.Errorf("before the first request %s have passed; want a minute", got)
	}
}

// Files are kept ten minutes of the incident's time: the three windows end at the last three marks.
func TestLoad_Pace(t *testing.T) {
	t.Parallel()
	most, mean := lateLoad().pace(10 * time.Minute)
	if math.Abs(most-1.05) > 1e-9 || math.Abs(mean-(1+0.9+1.05)/3) > 1e-9 {
		t.Errorf("the pace is %v at most and %v on average; want 1.05 and 0.983", most, mean)
	}
}

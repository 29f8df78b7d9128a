package human_test

import (
	"math"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for want, d := range map[string]time.Duration{
		"less than a second":  time.Second - 1,
		"1 s":                 time.Second,
		"59 s":                time.Minute - 1,
		"1 min":               time.Minute,
		"1 min 1 s":           time.Minute + time.Second,
		"59 min 59 s":         time.Hour - 1,
		"1 h":                 time.Hour,
		"15 h 10 min":         15*time.Hour + 10*time.Minute + 13*time.Second,
		"2 d 12 h":            60*time.Hour + 59*time.Minute,
		"1 d":                 day,
		"1 d 1 h":             day + time.Hour,
		"3 d":                 3*day + time.Minute,
		"106751 d 23 h":       math.MaxInt64 - 1,
		"more than 292 years": math.MaxInt64,
	} {
		if got := human.Duration(d); got != want {
			t.Errorf("Duration(%s) = %q, want %q", d, got, want)
		}
	}
}

package sizing_test

import (
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestFormatDuration(t *testing.T) {
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
		"106751 d 23 h":       sizing.MaxFullAfter - 1,
		"more than 292 years": sizing.MaxFullAfter,
	} {
		if got := sizing.FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%s) = %q, want %q", d, got, want)
		}
	}
}

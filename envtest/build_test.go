package envtest

import (
	"testing"
	"time"
)

func TestState(t *testing.T) {
	for name, c := range map[string]struct {
		compiled, total int
		elapsed         time.Duration
		want            string
	}{
		"too early to say":        {100, 2400, 15 * time.Second, "100 of 2400 packages in 15s"},
		"a quarter":               {600, 2400, 4 * time.Minute, "600 of 2400 packages in 4m0s, some 12m0s to go"},
		"nearly done":             {2399, 2400, 10 * time.Minute, "2399 of 2400 packages in 10m0s, some 1m0s to go"},
		"all":                     {2400, 2400, 10 * time.Minute, "2400 of 2400 packages in 10m0s, and now the programs are linked"},
		"more than were foreseen": {2500, 2400, 10 * time.Minute, "2500 of 2500 packages in 10m0s, and now the programs are linked"},
		"nobody knows how many":   {50, 0, time.Minute, "50 packages in 1m0s"},
	} {
		if got := state(c.compiled, c.total, c.elapsed); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

package inspect

import (
	"math"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/usage/learn"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// listing returns what a container lists of files that came at a rate and are kept for a time.
func listing(perMinute float64, kept time.Duration) *Listing {
	l := &Listing{}
	in := func(age time.Duration) int64 { return int64(perMinute * min(age, kept).Minutes()) }
	all := in(kept)
	l.Patterns = []Pattern{{
		Name: "session_*", Files: all, Content: sizing.Bytes(1500 * all), Pages: sizing.Bytes(4096 * all), Largest: 1500, Oldest: kept, Written: 3 * time.Second,
	}}
	for _, age := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 72 * time.Hour, 168 * time.Hour} {
		l.Younger = append(l.Younger, Younger{Age: age, Files: in(age), Pages: sizing.Bytes(4096 * in(age))})
	}
	return l
}

func TestLearn_RateAndWhenFull(t *testing.T) {
	for name, c := range map[string]struct {
		kept, running time.Duration
		keeps         bool
	}{
		"half an hour, nothing deleted":      {30 * time.Minute, 31 * time.Minute, true},
		"15 hours, nothing deleted":          {15 * time.Hour, 16 * time.Hour, true},
		"deleted after a day, for a week":    {24 * time.Hour, 168 * time.Hour, false},
		"more than the oldest age, all kept": {300 * time.Hour, 300 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := listing(18, c.kept).Learn(c.running)
			if math.Abs(l.PerMinute-18) > 0.5 || l.FileSize != 1500 || l.PagesEach != 4096 || l.Oldest != c.kept {
				t.Errorf("got %+v; want 18 files a minute of 1500 bytes", l)
			}
			if got := l.Estimate.Phase == learn.Filling; got != c.keeps {
				t.Errorf("keeps is %v; want %v", got, c.keeps)
			}
			d, ok := l.FullIn(32 * sizing.MiB)
			want := 8192 * time.Minute / 18
			if ok != c.keeps || ok && (d < want*97/100 || d > want*103/100) {
				t.Errorf("32 MiB are full in %s, %v; want %s, %v", d, ok, want, c.keeps)
			}
		})
	}
}

func TestLearn_FewFiles(t *testing.T) {
	for name, l := range map[string]*Listing{
		"nothing":   {},
		"one file":  {Patterns: []Pattern{{Files: 1, Content: 5000, Pages: 8192, Oldest: time.Hour, Written: time.Hour}}},
		"all empty": {Patterns: []Pattern{{Files: 5, Empty: 5, Oldest: time.Hour, Written: -1}}},
	} {
		got := l.Learn(time.Hour)
		if got.PerMinute != 0 {
			t.Errorf("%s: got a rate of %v; want none", name, got.PerMinute)
		}
		if _, ok := got.FullIn(sizing.MiB); ok {
			t.Errorf("%s: it fills; want that nothing is known", name)
		}
	}
}

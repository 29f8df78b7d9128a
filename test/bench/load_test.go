package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSearch(t *testing.T) {
	for _, limit := range []float64{120, 499, 500, 1000, 7300} {
		s := newSearch()
		for i := 0; !s.done(); i++ {
			if i > 40 {
				t.Fatalf("limit %.0f: the search does not end: %+v", limit, s)
			}
			l := Load{Rate: s.rate(), P99: 2}
			if s.rate() > limit || i == 2 || i == 3 { // the machine is busy with something else
				l.P99 = 10.1
			}
			s.observe(l)
		}
		if s.low > limit || s.high < limit || s.high-s.low > max(0.05*limit, 10) {
			t.Errorf("limit %.0f: found %.0f to %.0f", limit, s.low, s.high)
		}
	}
}

func TestSearch_NothingIsFastEnough(t *testing.T) {
	s := newSearch()
	for range 100 {
		if s.done() {
			break
		}
		s.observe(Load{Rate: s.rate(), Errors: 1})
	}
	if !s.done() || s.low != 0 {
		t.Errorf("found %.0f to %.0f, want that no rate is low enough", s.low, s.high)
	}
}

func TestSpreads(t *testing.T) {
	got := []Spread{spreadOf([]float64{3, 1, 2}), ratios([]float64{2, 9, 8}, []float64{1, 3, 2})}
	if diff := cmp.Diff([]Spread{{2, 1, 3}, {3, 2, 4}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

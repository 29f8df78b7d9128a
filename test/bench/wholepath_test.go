package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// testRows returns rows of batches that all took the same: enforce takes 1.2 times as long as the
// floor.
func testRows(scale float64) []PathRow {
	all := make([][]batch, len(pathCases))
	for i, p := range pathCases {
		took := map[string]float64{nothing: 1, floorCase: 2, enforce: 2.4}[p.name]
		if took == 0 {
			took = 1.5
		}
		for range batches {
			all[i] = append(all[i], batch{
				[]float64{took * scale, took * scale},
				map[string]time.Duration{apiServer: time.Duration(took * 2e6), ours: time.Millisecond, floorName: time.Millisecond},
			})
		}
	}
	return pathRows(all)
}

func TestPathRows(t *testing.T) {
	rows := testRows(1)
	got := row(rows, enforce)
	if got.Creations != 2*batches || got.P50.Median != 2.4 || got.ToFloor.Median != 1.2 || got.ToNothing.Max != 2.4 {
		t.Errorf("got %+v", got)
	}
	// 4.8 ms of the API server and 1 of each webhook, for two creations.
	if diff := cmp.Diff([]float64{1, 3.4}, []float64{got.Own(), got.Total()}, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
		t.Errorf("milliseconds of the webhook and in all: -want +got:\n%s", diff)
	}
}

func TestClosedLoop(t *testing.T) {
	got, err := closedLoop(t.Context(), 3, 0, func() error { return nil })
	if err != nil || len(got) != 3 {
		t.Errorf("%d calls of three callers, %v", len(got), err)
	}
	failed := errors.New("refused")
	if _, err := closedLoop(t.Context(), 3, time.Hour, func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want what a call returned", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := closedLoop(ctx, 3, time.Hour, func() error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
}

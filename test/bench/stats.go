package main

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Spread is the median of a figure over batches, and its extremes.
type Spread struct{ Median, Min, Max float64 }

func spreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	return Spread{quantile(sorted, 0.5), sorted[0], sorted[len(sorted)-1]}
}

// quantile returns a quantile of sorted values, of which there is at least one.
func quantile(sorted []float64, p float64) float64 {
	return stat.Quantile(p, stat.Empirical, sorted, nil)
}

// ratios divides batch by batch: what a round does to both cancels out.
func ratios(of, to []float64) Spread {
	out := make([]float64, len(of))
	for i := range of {
		out[i] = of[i] / to[i]
	}
	return spreadOf(out)
}

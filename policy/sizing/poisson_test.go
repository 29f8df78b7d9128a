package sizing

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// The quantile is the smallest count that is exceeded rarely enough: compared with the distribution
// function of a library, summed from the other end.
func TestPoissonQuantile(t *testing.T) {
	for _, mean := range []float64{
		0, 1e-7, 0.1, 1, 7.5, 100, 26010, 99999, 100001, 181530, 1e6, 1e7, 1e8,
	} {
		for _, p := range []float64{0.1, 1e-2, 1e-6, 1e-9, 1e-12} {
			n, ok := poissonQuantile(mean, p)
			if !ok {
				t.Fatalf("mean %g, p %g: does not fit", mean, p)
			}
			exceeds := func(n int64) float64 {
				if mean == 0 {
					return 0
				}
				d := distuv.Poisson{Lambda: mean}
				var sum float64
				for k := n + 1; ; k++ {
					term := d.Prob(float64(k))
					sum += term
					if float64(k) > mean && term < sum*1e-15 || float64(k) > mean+1 && term == 0 {
						return sum
					}
				}
			}
			if got := exceeds(n); got > p*(1+1e-6) {
				t.Errorf("mean %g: P(X > %d) = %g, more than %g", mean, n, got, p)
			}
			// Beyond the reach of the series the result may be two counts too high.
			smaller := n - 1
			if mean > 1e5 {
				smaller = n - 3
			}
			if n > 0 {
				if got := exceeds(smaller); got <= p*(1-1e-6) {
					t.Errorf("mean %g: P(X > %d) = %g, so %d is not the smallest for %g",
						mean, smaller, got, n, p)
				}
			}
		}
	}
	if _, ok := poissonQuantile(math.Inf(1), 0.1); ok {
		t.Error("an infinite mean has a quantile")
	}
}

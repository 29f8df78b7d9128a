package sizing

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
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

// The quantile never falls if the mean or the certainty rises, even where the method changes.
func TestPoissonQuantile_Monotone(t *testing.T) {
	means := rapid.OneOf(
		rapid.Float64Range(0, 100),
		rapid.Float64Range(maxSeriesMean-10, maxSeriesMean+10),
		rapid.Float64Range(0, 1e12),
	)
	rapid.Check(t, func(t *rapid.T) {
		a, b := means.Draw(t, "a"), means.Draw(t, "b")
		p, q := rapid.Float64Range(1, 12).Draw(t, "p"), rapid.Float64Range(1, 12).Draw(t, "q")
		quantile := func(mean, exponent float64) int64 {
			n, ok := poissonQuantile(mean, math.Pow(10, -exponent))
			if !ok {
				t.Fatalf("mean %g: does not fit", mean)
			}
			return n
		}
		if low, high := quantile(min(a, b), p), quantile(max(a, b), p); low > high {
			t.Fatalf("p 1e-%g: %d at a mean of %g, %d at %g", p, low, min(a, b), high, max(a, b))
		}
		if low, high := quantile(a, min(p, q)), quantile(a, max(p, q)); low > high {
			t.Fatalf("mean %g: %d at 1e-%g, %d at 1e-%g", a, low, min(p, q), high, max(p, q))
		}
	})
}

func TestPoissonQuantile_Limits(t *testing.T) {
	if n, ok := poissonQuantile(0, 0.1); n != 0 || !ok {
		t.Errorf("mean 0: %d, %t; want 0", n, ok)
	}
	// ln 2 is where P(X > 0) = 1/2: just below it 0 is enough, just above it 1 is needed.
	for mean, want := range map[float64]int64{math.Ln2 - 1e-9: 0, math.Ln2 + 1e-9: 1} {
		if n, _ := poissonQuantile(mean, 0.5); n != want {
			t.Errorf("mean %g: %d, want %d", mean, n, want)
		}
	}
	// P(X > 0) = 3/4 at twice that, in floating point exactly, which is few enough.
	if n, _ := poissonQuantile(2*math.Ln2, 0.75); n != 0 {
		t.Errorf("mean 2 ln 2: %d, want 0", n)
	}
	for _, mean := range []float64{1 << 62, math.NaN()} {
		if n, ok := poissonQuantile(mean, 0.1); ok || n != 0 {
			t.Errorf("mean %g has the quantile %d", mean, n)
		}
	}
	if _, ok := poissonQuantile(1<<61, 1e-12); !ok {
		t.Error("a mean of 2^61 has no quantile")
	}
	// For a p that far out the search still starts and ends around the quantile.
	for mean, p := range map[float64]float64{0.1: 1e-100, 1e4: 1e-100, 1e5: 1e-300} {
		n, ok := poissonQuantile(mean, p)
		if !ok {
			t.Fatalf("mean %g, p %g: does not fit", mean, p)
		}
		// Chernoff's bound of the tail, and a single term of it from below.
		k := float64(n + 1)
		if upper := k - mean - k*math.Log(k/mean); upper < math.Log(p) {
			upper = k - 1 - mean - (k-1)*math.Log((k-1)/mean)
			if upper < math.Log(p) {
				t.Errorf("mean %g: %d is more than is needed for %g", mean, n, p)
			}
		}
		if term := -mean + k*math.Log(mean) - lgamma(k+1); term > math.Log(p) {
			t.Errorf("mean %g: P(X = %g) alone is more than %g", mean, k, p)
		}
	}
}

// Quantiles where the two methods meet, summed with 40 digits: at the mean of 1e5 the expansion would
// give one more, and just above it the expansion needs its last term to come out right:
// P(X > 102234) is 9.886e-13 and P(X > 102233) is 1.011e-12.
func TestPoissonQuantile_WhereTheMethodsMeet(t *testing.T) {
	for _, c := range []struct {
		mean, p float64
		want    int64
	}{
		{1e5, 0.01, 100736},
		{100001.412, 1e-12, 102234},
		{100008.335, 1e-12, 102241},
	} {
		if n, ok := poissonQuantile(c.mean, c.p); n != c.want || !ok {
			t.Errorf("mean %g, p %g: %d, %t; want %d", c.mean, c.p, n, ok, c.want)
		}
	}
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

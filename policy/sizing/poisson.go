package sizing

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// poissonQuantile returns the smallest n with P(X > n) <= p for a Poisson distributed X of the
// given mean; p lies strictly between 0 and 1. ok is false if n does not fit.
//
// P(X > n) is the regularized lower incomplete gamma function P(n+1, mean) (NIST DLMF 8.4.10). It
// is taken directly and not as 1 - CDF, which has no digits left for a small p.
//
// gonum sums a series for it and cuts it off when the mean is large: at a mean of 1e8 the tail
// beyond 4.7 deviations comes out a third too small. Above maxSeriesMean the Cornish-Fisher
// expansion is more accurate.
func poissonQuantile(mean, p float64) (n int64, ok bool) {
	if !(mean < 1<<62) {
		return 0, false
	}
	if mean > maxSeriesMean {
		return cornishFisher(mean, p), true
	}
	// The quantile lies within 40 standard deviations and 100 of the mean for every p down to
	// 1e-300 (Bernstein's inequality).
	span := int(40*math.Sqrt(mean)) + 100
	first := max(0, int(mean)-span)
	i := sort.Search(2*span, func(i int) bool {
		return mathext.GammaIncReg(float64(first+i)+1, mean) <= p
	})
	return int64(first + i), true
}

// maxSeriesMean is the mean up to which gonum's series is exact to the last count.
const maxSeriesMean = 1e5

// cornishFisher returns the quantile from the normal distribution's, with the next two terms of the
// expansion (Abramowitz and Stegun 26.2.49; skewness 1 / sqrt(mean), kurtosis 1 / mean), rounded
// up. Its error is below one count from a mean of 1e4 on.
func cornishFisher(mean, p float64) int64 {
	z, root := -distuv.UnitNormal.Quantile(p), math.Sqrt(mean)
	return int64(math.Ceil(mean + z*root + (z*z-1)/6 + (z-z*z*z)/(72*root)))
}

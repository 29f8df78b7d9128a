package policy

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// poissonQuantile is the smallest n with P(X > n) <= p for a Poisson distributed
// X of the given mean; p lies strictly between 0 and 1. ok is false where the
// answer does not fit.
//
// P(X > n) is the regularized lower incomplete gamma function P(n+1, mean)
// (NIST DLMF 8.4.10). It is taken directly and not as 1 - CDF, which has no
// digits left for small p.
func poissonQuantile(mean, p float64) (n int64, ok bool) {
	// Beyond 2^50 a float64 no longer separates neighbouring counts well enough
	// for the search, and the bytes do not fit anyway: 2^50 pages are 2^62 bytes.
	const most = 1 << 50
	if !(mean < most) {
		return 0, false
	}
	// The quantile lies within 40 standard deviations and 100 of the mean for
	// every p down to 1e-300 (Bernstein's inequality).
	span := int(40*math.Sqrt(mean)) + 100
	first := max(0, int(mean)-span)
	i := sort.Search(2*span, func(i int) bool {
		return mathext.GammaIncReg(float64(first+i)+1, mean) <= p
	})
	return int64(first + i), true
}

package policy_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/stat/distuv"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// filesPolicy is a policy of the files model. Empty texts are left to the defaults.
func filesPolicy(rate, retention, fileSize, most, probability string) *v1alpha1.SharedMemoryPolicy {
	f := &v1alpha1.Files{CreatedPerMinute: rate, FileSize: resource.MustParse(fileSize), OverflowProbability: probability}
	if retention != "" {
		d := v1alpha1.Duration(retention)
		f.Retention = &d
	}
	p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: "files"}}
	p.Spec.Match.PodSelector = &metav1.LabelSelector{}
	p.Spec.Sizing.Files = f
	if most != "" {
		q := resource.MustParse(most)
		p.Spec.Sizing.Max = &q
	}
	return p
}

func sizeOf(t interface{ Fatalf(string, ...any) }, p *v1alpha1.SharedMemoryPolicy) policy.Size {
	s, ok := mustCompile(t, p).Size()
	if !ok {
		t.Fatalf("policy %q has no size of its own", p.Name)
	}
	return s
}

// The incident of docs/incident.md, and its variants.
func TestSizesOfTheIncident(t *testing.T) {
	type terms struct {
		Mean             float64
		Peak             int64
		PerFile          policy.Bytes
		Limit            string
		Capacity         int64
		KernelPerFile    policy.Bytes
		Charge           policy.Bytes
		SteadyState      policy.Bytes
		Bounded          bool
		Saturated        bool
		FullAfterSeconds int64
	}
	for name, c := range map[string]struct {
		policy *v1alpha1.SharedMemoryPolicy
		want   terms
	}{
		"as on the day: a week's retention": {
			filesPolicy("18", "168h", "1500", "", ""),
			terms{181530, 183559, 4096, "897Mi", 229632, 1064, 1184901120, 936694800, true, false, 0},
		},
		"with a day's retention": {
			filesPolicy("18", "24h", "1500", "", ""),
			terms{26010, 26780, 4096, "131Mi", 33536, 1064, 173045760, 134211600, true, false, 0},
		},
		"with a max below the demand": {
			filesPolicy("18", "168h", "1500", "256Mi", ""),
			terms{181530, 183559, 4096, "256Mi", 65536, 1064, 338165760, 338165760, true, true, 218453},
		},
		"without retention": {
			filesPolicy("18", "", "1500", "", ""),
			terms{0, 0, 4096, "4Gi", 1048576, 1064, 5410652160, 5410652160, false, false, 3495253},
		},
		"with files of two pages": {
			filesPolicy("18", "24h", "5000", "", ""),
			terms{26010, 26780, 8192, "262Mi", 33536, 1656, 330262528, 256146480, true, false, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := sizeOf(t, c.policy)
			got := terms{
				s.MeanFiles, s.PeakFiles, s.BytesPerFile, s.Limit.Quantity().String(), s.CapacityFiles, s.KernelBytesPerFile,
				s.Charge, s.SteadyState, s.Bounded, s.Saturated, int64(s.FullAfter.Seconds()),
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	week := sizeOf(t, filesPolicy("18", "168h", "1500", "", ""))
	if got := policy.Span(week.FullAfterOf(policy.DefaultShm)); got != "15 h 10 min" {
		t.Errorf("the runtime's default is full after %s, want 15 h 10 min", got)
	}
}

// The quantile against the distribution function of a library, summed the other
// way round.
func TestThePoissonQuantileIsTheSmallestCountThatIsExceededRarelyEnough(t *testing.T) {
	for _, mean := range []float64{0, 1e-7, 0.1, 1, 7.5, 100, 26010, 99999, 100001, 181530, 1e6, 1e7, 1e8} {
		for _, p := range []float64{0.1, 1e-2, 1e-6, 1e-9, 1e-12} {
			n, ok := policy.PoissonQuantile(mean, p)
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
					t.Errorf("mean %g: P(X > %d) = %g, so %d is not the smallest for %g", mean, smaller, got, n, p)
				}
			}
		}
	}
	if _, ok := policy.PoissonQuantile(math.Inf(1), 0.1); ok {
		t.Error("an infinite mean has a quantile")
	}
}

// A size never falls when the rate, the retention, the file size or the certainty
// asked for rises, and lies within its bounds.
func TestSizesAreMonotoneAndWithinTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rates := ordered(t, "rate", 1, 1_000_000)
		hours := ordered(t, "retention", 1, 10_000)
		sizes := ordered(t, "file size", 1, 1<<22)
		exponents := ordered(t, "certainty", 1, 12)
		batches := rapid.Int32Range(1, 1000).Draw(t, "batch")
		percent := rapid.Int32Range(0, 1000).Draw(t, "headroom")
		make := func(i, j, k, l int) policy.Size {
			p := filesPolicy(fmt.Sprintf("%d.%03d", rates[i]/1000, rates[i]%1000), fmt.Sprintf("%dh", hours[j]), fmt.Sprint(sizes[k]), "1Ti", fmt.Sprintf("1e-%d", exponents[l]))
			p.Spec.Sizing.Files.Batch, p.Spec.Sizing.HeadroomPercent = &batches, &percent
			return sizeOf(t, p)
		}
		low := make(0, 0, 0, 0)
		for name, high := range map[string]policy.Size{
			"rate": make(1, 0, 0, 0), "retention": make(0, 1, 0, 0), "file size": make(0, 0, 1, 0), "certainty": make(0, 0, 0, 1),
		} {
			if high.Limit < low.Limit || high.Demand < low.Demand || high.PeakFiles < low.PeakFiles {
				t.Fatalf("with a higher %s the size falls: %+v, then %+v", name, low, high)
			}
			if high.Limit < 64*policy.MiB || high.Limit > 1<<40 || high.Limit%policy.MiB != 0 {
				t.Fatalf("size %d is not whole MiB from 64Mi to 1Ti", high.Limit)
			}
			if float64(high.PeakFiles) < math.Floor(high.MeanFiles)-float64(batches) {
				t.Fatalf("peak %d below the mean %g", high.PeakFiles, high.MeanFiles)
			}
			if high.Charge < high.Limit || high.SteadyState > high.Charge || high.Saturated != (high.Limit < high.Demand) {
				t.Fatalf("impossible size %+v", high)
			}
		}
	})
}

func ordered(t *rapid.T, label string, least, most int) [2]int {
	a := rapid.IntRange(least, most).Draw(t, label)
	return [2]int{a, rapid.IntRange(a, most).Draw(t, label+" or more")}
}

func TestSpans(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"less than a second":  time.Millisecond,
		"59 s":                59 * time.Second,
		"1 min":               time.Minute,
		"15 h 10 min":         15*time.Hour + 10*time.Minute + 13*time.Second,
		"2 d 12 h":            60*time.Hour + 59*time.Minute,
		"1 d":                 24*time.Hour + time.Minute,
		"more than 292 years": policy.MaxFullAfter,
	} {
		if got := policy.Span(d); got != want {
			t.Errorf("Span(%s) = %q, want %q", d, got, want)
		}
	}
}

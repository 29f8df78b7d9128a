package simulate

import (
	"math"
	"sort"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// The tests in this file hold the simulation against queueing theory, which the simulation knows nothing of. Files arrive as a Poisson
// process and each stays for a time that does not depend on the others (an M/D/infinity queue while nothing is refused), so the
// number alive is Poisson with mean rate x stay; with batches of b it is b times a Poisson number.
//
// Tolerances are in standard errors of the statistic, for independent samples. Four of them are missed by chance once in 16,000
// tests; the seeds are fixed, so a test that passes once passes always, and they were not picked for passing. A mistake worth
// finding is far larger: one sweep more or less shifts the mean by 50 files, which is 200 standard errors.
const standardErrors = 4

const (
	retention = 60 * time.Minute
	sweep     = 5 * time.Minute
	samples   = 10_000
)

// steady gives the files alive at samples that are spacing apart. Two samples are independent when no file lives in both, so
// the spacing must be at least retention + sweep. The first sample, of an empty volume, is left out.
func steady(t *testing.T, m Workload, spacing time.Duration, seed uint64) []float64 {
	t.Helper()
	curve := mustRun(t, m, []Volume{{"boundless", math.MaxInt64}}, Options{Span: samples * spacing, Step: spacing, Seed: seed})[0]
	if curve.Refused != 0 {
		t.Fatalf("%d files refused, so the number alive is not Poisson", curve.Refused)
	}
	var files []float64
	for _, s := range curve.Samples[1:] {
		files = append(files, float64(s.Files))
	}
	return files
}

func within(t *testing.T, what string, got, want, standardError float64) {
	t.Helper()
	if math.Abs(got-want) > standardErrors*standardError {
		t.Errorf("%s is %.4f, but theory says %.4f and the standard error is %.4f", what, got, want, standardError)
	}
}

// quantile returns the smallest n with P(X > n) <= p, found by halving.
func quantile(d distuv.Poisson, p float64) int {
	return sort.Search(int(10*d.Lambda)+100, func(n int) bool { return d.Survival(float64(n)) <= p })
}

func TestRun_PeakIsJustBeforeASweep(t *testing.T) {
	for sentence, c := range map[string]struct {
		batch int
		seed  uint64
	}{
		"files that arrive one by one are a Poisson number": {1, 1},
		"batches of five are five times a Poisson number":   {5, 2},
		"batches of 40 are 40 times a Poisson number":       {40, 3},
	} {
		t.Run(sentence, func(t *testing.T) {
			m := Workload{CreatedPerMinute: 10, Batch: c.batch, Retention: retention, SweepInterval: sweep, BytesPerFile: 4096}
			// Every spacing ends on a sweep, and a sample sees what the sweep is about to find.
			files := steady(t, m, retention+sweep, c.seed)
			n, b := float64(len(files)), float64(c.batch)
			batches := distuv.Poisson{Lambda: m.CreatedPerMinute * (retention + sweep).Minutes() / b}

			mean, variance := stat.MeanVariance(files, nil)
			wantMean, wantVariance := b*batches.Lambda, b*b*batches.Lambda
			within(t, "the mean", mean, wantMean, math.Sqrt(wantVariance/n))
			// The variance of a sample variance is sigma^4 x (2/(n-1) + kurtosis/n), with the excess kurtosis 1/lambda of a Poisson number.
			within(t, "the variance", variance, wantVariance, wantVariance*math.Sqrt(2/(n-1)+batches.ExKurtosis()/n))

			// The bound of the sizing formula: at most p of the samples lie above it. A Poisson number cannot meet p exactly, so what is compared
			// is the probability at the bound, which is p or a little less.
			const p = 1e-2
			bound := quantile(batches, p)
			above := 0.0
			for _, f := range files {
				if f > b*float64(bound) {
					above++
				}
			}
			exact := batches.Survival(float64(bound))
			if exact > p || exact < p/3 {
				t.Fatalf("P(X > %d) is %.4g, so %d is not the bound at %.4g", bound, exact, bound, p)
			}
			within(t, "the share above the bound", above/n, exact, math.Sqrt(exact*(1-exact)/n))
		})
	}
}

func TestRun_AverageHasHalfASweepInterval(t *testing.T) {
	m := Workload{CreatedPerMinute: 10, Batch: 1, Retention: retention, SweepInterval: sweep, BytesPerFile: 4096}
	// Seven seconds and the 300 of the interval have no divisor in common: the samples fall on each of its 300 seconds in turn, the
	// full interval among them and 0 not, and so half a second past its middle on average.
	files := steady(t, m, retention+sweep+7*time.Second, 4)
	want := m.CreatedPerMinute * (retention + sweep/2 + time.Second/2).Minutes()
	within(t, "the mean", stat.Mean(files, nil), want, math.Sqrt(want/float64(len(files))))
}

func TestRun_WithoutSweeps(t *testing.T) {
	m := Workload{CreatedPerMinute: 10, Batch: 1, Retention: retention, BytesPerFile: 4096}
	files := steady(t, m, retention, 5)
	want := m.CreatedPerMinute * retention.Minutes()
	n := float64(len(files))
	mean, variance := stat.MeanVariance(files, nil)
	within(t, "the mean", mean, want, math.Sqrt(want/n))
	within(t, "the variance", variance, want, want*math.Sqrt(2/(n-1)+1/(want*n)))
}

// A volume that refuses is an M/D/c/c queue, in which the share refused is Erlang's B (it depends on the mean stay alone). B is
// computed by its recursion on c.
func TestRun_FullVolumeRefusesErlangsShare(t *testing.T) {
	const capacity = 600
	m := Workload{CreatedPerMinute: 10, Batch: 1, Retention: retention, BytesPerFile: 4096}
	c := mustRun(t, m, []Volume{{"tight", capacity * 4096}}, Options{Span: samples * retention, Step: samples * retention, Seed: 6})[0]
	load := m.CreatedPerMinute * retention.Minutes()
	erlang := 1.0
	for k := 1.0; k <= capacity; k++ {
		erlang = load * erlang / (k + load*erlang)
	}
	// Refusals come in bursts, so they are not independent: two bursts are when a retention lies between them, which leaves as many
	// trials as there are retentions. Within one the number refused varies about as much as the number that arrive, whose standard
	// deviation is the root of the load.
	within(t, "the share refused", float64(c.Refused)/float64(c.Created), erlang, math.Sqrt(load)/load/math.Sqrt(samples))
}

func TestRun_IncidentFillsTheDefaultVolume(t *testing.T) {
	const histories = 200
	// 16,384 files fit and the next is refused. The time to arrival n of a Poisson process is a gamma variable: mean n / rate, standard
	// deviation root n / rate, here 15 h 10 min and 7 min.
	const arrivals = 64*mib/4096 + 1
	mean := arrivals / incident.CreatedPerMinute
	deviation := math.Sqrt(arrivals) / incident.CreatedPerMinute
	var minutes []float64
	for seed := range uint64(histories) {
		c := mustRun(t, incident, []Volume{{"default", 64 * mib}}, Options{Span: day, Step: day, Seed: seed})[0]
		if c.FirstENOSPC == Never {
			t.Fatalf("seed %d: not full within a day", seed)
		}
		minutes = append(minutes, c.FirstENOSPC.Minutes())
		// One of 200 lies beyond four deviations once in 80 such tests, beyond five once in 8,700.
		if math.Abs(c.FirstENOSPC.Minutes()-mean) > 5*deviation {
			t.Errorf("seed %d: ENOSPC after %v, more than five deviations of %.1f min from %.1f min", seed, c.FirstENOSPC, deviation, mean)
		}
	}
	gotMean, gotDeviation := stat.MeanStdDev(minutes, nil)
	within(t, "the mean time to ENOSPC", gotMean, mean, deviation/math.Sqrt(histories))
	within(t, "its deviation", gotDeviation, deviation, deviation/math.Sqrt(2*(histories-1)))
}

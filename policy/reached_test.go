package policy_test

import (
	"math"
	"sort"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// reached counts how many cases of a property test were of each interesting kind. A
// property that is true because its generator never reaches it proves nothing.
type reached struct {
	mu    sync.Mutex
	cases int
	kinds map[string]int
}

// Count counts a case as being of a kind or not. Every kind is known from the first case
// on, so one that never occurs is found too.
func (r *reached) Count(t *rapid.T, kind string, is bool) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds == nil {
		r.kinds = map[string]int{}
	}
	n := r.kinds[kind]
	if is {
		n++
	}
	r.kinds[kind] = n
}

// begin counts a case.
func (r *reached) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cases++
}

// share is the least share of the cases that have to be of each interesting kind.
const share = 0.05

// enough is how many random cases show the share: of fewer, chance alone would often miss it.
const enough = 1000

// least returns how many cases of n must be of each kind: one at least, and below a thousand three
// standard deviations less than the share, since such cases are drawn for a test of every change.
func least(n int) int {
	want := share * float64(n)
	if n < enough {
		want -= 3 * math.Sqrt(float64(n)*share*(1-share))
	}
	return max(1, int(math.Ceil(want)))
}

// report fails the test if a kind was reached too rarely.
func (r *reached) report(t *testing.T) {
	t.Helper()
	kinds := make([]string, 0, len(r.kinds))
	for kind := range r.kinds {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		n, want := r.kinds[kind], least(r.cases)
		if testing.Verbose() {
			t.Logf("%5.1f%% %s", 100*float64(n)/float64(r.cases), kind)
		}
		if n < want {
			t.Errorf(
				"only %d of %d cases were of the kind %q, want at least %d: weight the generator",
				n,
				r.cases,
				kind,
				want,
			)
		}
	}
}

// law is a property with the kinds of cases that it counts.
type law func(t *rapid.T, r *reached)

// check runs a property and then looks at what it reached. A failing property is run again and
// again to make its case smaller, so the shares mean something only if it held. After a short run
// cases from fixed seeds are counted instead: they are the same each time, so that only a change of
// the generator or the property can fail the test.
func check(t *testing.T, property law) {
	t.Helper()
	t.Parallel()
	var r reached
	t.Run("holds", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			r.begin()
			property(t, &r)
		})
	})
	if t.Failed() {
		return
	}
	t.Run("reaches", func(t *testing.T) {
		if r.cases < enough {
			fixedCases(property, 100).report(t)
			return
		}
		r.report(t)
	})
}

// fixedCases counts n cases that are the same in every run.
func fixedCases(property law, n int) *reached {
	var r reached
	cases := rapid.Custom(func(t *rapid.T) int {
		r.begin()
		property(t, &r)
		return r.cases
	})
	for seed := range n {
		cases.Example(seed)
	}
	return &r
}

// fuzz lets the fuzzer look for a case that breaks the property.
func fuzz(f *testing.F, property law) {
	addRandom(f)
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { property(t, &reached{}) }))
}

package policy

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Repository is repository, for its test.
var Repository = repository

// Mentions is mentions, for its test.
var Mentions = mentions

// ExceedsRatio reports whether exceedsRatio holds, for its test.
func ExceedsRatio(limit, request int64, ratio resource.Quantity) bool {
	return exceedsRatio(sizing.Bytes(limit), sizing.Bytes(request), ratio)
}

// Quote is quote, for its test.
var Quote = quote

// QuoteAll is quoteAll, for its test.
var QuoteAll = quoteAll

// Shorten is shorten, for its test.
var Shorten = shorten

// GlobMatches reports whether a glob matches a name, and whether it is a glob.
func GlobMatches(pattern, name string) (matches, ok bool) {
	g, err := newGlob(pattern)
	return err == nil && g.matches(name), err == nil
}

// Steps returns how many elements of a Pod an evaluation looks at after matching.
func Steps(s Set, subject Subject) int {
	p, _, why := s.find(&subject)
	if p == nil || tooComplex(&subject) != nil {
		return 0
	}
	before := observe(&subject, p, &why, s.mirrors)
	before.size = before.sizeFor()
	before.violations()
	_, after, _ := before.plan(why.guess)
	after.violations()
	if after == before {
		return before.steps
	}
	return before.steps + after.steps
}

// Candidates returns how many policies of a set are tried for a subject, of all that there are.
func Candidates(s Set, subject Subject) int {
	m := newMatching(&subject, s.mirrors)
	m.tried = make([]uint64, len(s.policies)/64+1)
	n := 0
	s.index.candidates(&subject, m.repos, func(ranks []int32) {
		for _, rank := range ranks {
			if m.tryOnce(rank) {
				n++
			}
		}
	})
	return n
}

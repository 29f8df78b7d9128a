package policy

import (
	"cmp"
	"slices"
)

// Set holds the policies of a cluster, ready to find the one that decides about a Pod.
// It is immutable and may be shared. The zero Set matches nothing.
type Set struct {
	policies []Policy // the one that decides first
	index    index
	mirrors  Mirrors
}

// NewSet returns a Set. The order of the arguments does not matter. Of several
// policies of one name, which a cluster cannot have, all count.
func NewSet(policies ...Policy) Set {
	ranked := slices.DeleteFunc(slices.Clone(policies), func(p Policy) bool { return p.compiled == nil })
	slices.SortStableFunc(ranked, func(a, b Policy) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.name, b.name))
	})
	return Set{policies: ranked, index: newIndex(ranked)}
}

// WithImageMirrors returns the same policies for a cluster that pulls its images from
// mirrors.
func (s Set) WithImageMirrors(m Mirrors) Set {
	s.mirrors = m
	return s
}

// Policies returns the policies of the set, the one of the highest rank first.
func (s Set) Policies() []Policy { return slices.Clone(s.policies) }

// find returns the policy that decides about a subject, with why it matches, and the next one
// that would size it; nil for none. A policy that only checks is never the second: the first makes
// the same checks.
func (s *Set) find(subject *Subject) (first, second *compiled, why grounds) {
	if len(s.policies) == 0 {
		return nil, nil, grounds{}
	}
	m := newMatching(subject, s.mirrors)
	m.tried = make([]uint64, len(s.policies)/64+1)
	best, next := len(s.policies), len(s.policies)
	s.index.candidates(subject, m.repos, func(ranks []int32) {
		for _, rank := range ranks {
			if int(rank) >= next {
				return // ranks ascend: nothing better follows
			}
			if !m.tryOnce(rank) || !m.applies(s.policies[rank].compiled) {
				continue
			}
			switch sizes := s.policies[rank].model != nil; {
			case int(rank) < best:
				if best < len(s.policies) && s.policies[best].model != nil {
					next = best
				}
				best = int(rank)
			case sizes:
				next = int(rank)
			}
		}
	})
	if best == len(s.policies) {
		return nil, nil, grounds{}
	}
	first = s.policies[best].compiled
	if next < len(s.policies) {
		second = s.policies[next].compiled
	}
	return first, second, m.groundsOf(first)
}

package policy

import (
	"cmp"
	"slices"
)

// Set holds the policies of a cluster, ready to find the one that governs a Pod.
// It is immutable and may be shared. The zero Set governs nothing.
type Set struct {
	policies []Policy // the one that governs first
	index    index
}

// NewSet makes a Set. The order of the arguments does not matter. Of several
// policies of one name, which a cluster cannot have, all count.
func NewSet(policies ...Policy) Set {
	ranked := slices.DeleteFunc(slices.Clone(policies), func(p Policy) bool { return p.compiled == nil })
	slices.SortStableFunc(ranked, func(a, b Policy) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.name, b.name))
	})
	return Set{policies: ranked, index: newIndex(ranked)}
}

// Policies are the policies of the set, the one of the highest rank first.
func (s Set) Policies() []Policy { return slices.Clone(s.policies) }

// governing is the policy that decides over a subject; nil for none.
func (s Set) governing(subject *Subject) *compiled {
	if len(s.policies) == 0 {
		return nil
	}
	repos := repositories(subject.Spec)
	best := len(s.policies)
	s.index.candidates(subject, repos, func(ranks []int32) {
		for _, rank := range ranks {
			if int(rank) >= best {
				return // ranks ascend: nothing better follows
			}
			if p := s.policies[rank]; p.governs(subject, repos) {
				best = int(rank)
				return
			}
		}
	})
	if best == len(s.policies) {
		return nil
	}
	return s.policies[best].compiled
}

func (p *compiled) governs(s *Subject, repos []string) bool {
	return p.match.matches(s, repos) && !(p.exclude.given() && p.exclude.matches(s, repos))
}

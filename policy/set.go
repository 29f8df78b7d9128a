package policy

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
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

// governing is the policy that decides over a subject; nil for none. idle is then
// one that matches, but selects none of the subject's containers: such a policy
// gives way to the next.
func (s Set) governing(subject *Subject) (p, idle *compiled) {
	if len(s.policies) == 0 {
		return nil, nil
	}
	repos := repositories(subject.Spec)
	best := len(s.policies)
	s.index.candidates(subject, repos, func(ranks []int32) {
		for _, rank := range ranks {
			if int(rank) >= best {
				return // ranks ascend: nothing better follows
			}
			switch p := s.policies[rank]; {
			case !p.governs(subject, repos):
			case !p.selectsAny(subject.Spec):
				if idle == nil || p.name < idle.name {
					idle = p.compiled
				}
			default:
				best = int(rank)
				return
			}
		}
	})
	if best == len(s.policies) {
		return nil, idle
	}
	return s.policies[best].compiled, nil
}

func (p *compiled) governs(s *Subject, repos []string) bool {
	return p.match.matches(s, repos) && !(p.exclude.given() && p.exclude.matches(s, repos))
}

// selectsAny says whether a container is to have the mount.
func (p *compiled) selectsAny(spec *corev1.PodSpec) bool {
	for i := range spec.Containers {
		if anyMatches(p.containers, spec.Containers[i].Name) {
			return true
		}
	}
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; isSidecar(c) && anyMatches(p.containers, c.Name) {
			return true
		}
	}
	return false
}

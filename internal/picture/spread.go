package picture

import (
	"cmp"
	"slices"
)

// spread places things side by side in the space from low to high, each as near as it can be to where it is wanted, so that none
// overlap; the largest displacement is shared by those that are in each other's way. wanted has their middles, sizes how much room each takes. Their order
// stays. If they need more than there is, they go beyond high.
func spread(wanted, sizes []float64, low, high float64) []float64 {
	order := make([]int, len(wanted))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(wanted[a], wanted[b]) })
	// A group is a run of things that touch each other. Its start is where its members would have it on average.
	type group struct {
		members    []int
		size       float64
		startTotal float64 // of where each member would have the group start
	}
	start := func(g group) float64 {
		return max(low, min(g.startTotal/float64(len(g.members)), high-g.size))
	}
	var groups []group
	for _, i := range order {
		g := group{[]int{i}, sizes[i], wanted[i] - sizes[i]/2}
		for len(groups) > 0 {
			before := groups[len(groups)-1]
			if start(before)+before.size <= start(g) {
				break
			}
			g = group{
				append(slices.Clone(before.members), g.members...), before.size + g.size,
				before.startTotal + g.startTotal - before.size*float64(len(g.members)),
			}
			groups = groups[:len(groups)-1]
		}
		groups = append(groups, g)
	}
	out := make([]float64, len(wanted))
	for _, g := range groups {
		at := start(g)
		for _, i := range g.members {
			out[i] = at + sizes[i]/2
			at += sizes[i]
		}
	}
	return out
}

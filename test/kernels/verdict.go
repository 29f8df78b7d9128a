package kernels

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// comparisons returns all that a guest measured beside the model.
func comparisons(r results) []comparison {
	var all []comparison
	for _, c := range r.costs {
		all = append(all, compareCost(c)...)
		if c.Files.Size == sessionSize && c.Files.NameLength == shortName && r.kernel.Label == "" {
			all = append(all, compareSlabs(r.kernel, c))
		}
	}
	for _, f := range r.fits {
		if f.Case.Files.Count > 0 {
			all = append(all, compareFit(f))
		}
	}
	for _, f := range r.fills {
		if !f.Killed {
			all = append(all, compareFill(f))
		}
	}
	return all
}

// problems returns what a guest did not measure of its plan, and what was not as it is documented.
func problems(r results, plan report.Plan) []string {
	var all []string
	add := func(problem string) {
		if problem != "" {
			all = append(all, problem)
		}
	}
	for _, n := range []struct {
		what      string
		got, want int
	}{
		{"costs", len(r.costs), len(plan.Costs)},
		{"volumes", len(r.fits), len(plan.Fits)},
		{"full containers", len(r.fills), len(plan.Fills)},
		{"restarts", len(r.restarts), len(plan.Restarts)},
		{"stalls", len(r.stalls), len(plan.Stalls)},
	} {
		if n.got != n.want {
			add(fmt.Sprintf("the guest measured %d %s, expected %d", n.got, n.what, n.want))
		}
	}
	for _, f := range r.fits {
		add(checkFit(f))
	}
	for _, f := range r.fills {
		add(checkFill(f))
	}
	for _, restart := range r.restarts {
		add(checkRestarts(restart))
	}
	for _, s := range r.stalls {
		add(checkStall(s))
	}
	return all
}

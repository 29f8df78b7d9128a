package kernels

import "github.com/shmkeeper/shmkeeper/test/kernels/report"

// results represents what one guest measured.
type results struct {
	kernel   report.Kernel
	costs    []report.Cost
	fits     []report.Fit
	fills    []report.Fill
	restarts []report.Restart
	stalls   []report.Stall
}

// add takes one line of the guest.
func (r *results) add(l report.Line) {
	switch {
	case l.Kernel != nil:
		r.kernel = *l.Kernel
	case l.Cost != nil:
		r.costs = append(r.costs, *l.Cost)
	case l.Fit != nil:
		r.fits = append(r.fits, *l.Fit)
	case l.Fill != nil:
		r.fills = append(r.fills, *l.Fill)
	case l.Restart != nil:
		r.restarts = append(r.restarts, *l.Restart)
	case l.Stall != nil:
		r.stalls = append(r.stalls, *l.Stall)
	}
}

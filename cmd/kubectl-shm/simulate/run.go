package simulate

import (
	"fmt"
	"strconv"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// newSimulation turns a model and the flags into a run to play.
func newSimulation(m model.Model, o *options, format string) (simulation, error) {
	size, _ := m.Compiled.Size() // ok: a files model needs no Pod
	r := simulation{name: m.Name, title: m.Describe()}
	var all cli.Errors
	var err error
	r.model, err = toPlay(m, size)
	all.Add(err)
	r.volumes, r.notes, err = volumesFor(o.sizes, size.Limit, sizing.BytesOf(*m.Spec.Sizing.PageSize))
	all.Add(err)
	r.options.Seed, err = strconv.ParseUint(o.seed, 10, 64)
	if err != nil {
		all.Add(fmt.Errorf("--seed: %s is not a whole number that fits in 64 bits: write one such as 1", cli.Quote(o.seed)))
	}
	if err := all.Err(); err != nil {
		return simulation{}, err
	}
	span, note, err := o.spanFor(r.model, size, len(r.volumes))
	if err != nil {
		return simulation{}, err
	}
	r.options.Span = span
	if note != "" {
		r.notes = append(r.notes, note)
	}
	if r.options.Step, err = o.stepFor(r.options.Span, format); err != nil {
		return simulation{}, err
	}
	r.unit = unitFor(r.options.Step)
	return r, nil
}

// toPlay returns a compiled files model as the simulation takes it.
func toPlay(m model.Model, size sizing.Size) (simulate.Workload, error) {
	f, _, err := m.Arithmetic()
	return simulate.Workload{
		CreatedPerMinute: f.CreatedPerMinute, Batch: int(f.Batch), BytesPerFile: int64(size.BytesPerFile),
		Retention: f.Retention, SweepInterval: f.SweepInterval,
	}, err
}

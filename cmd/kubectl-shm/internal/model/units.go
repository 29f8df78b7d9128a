package model

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// countFlag is --count, which also says how many units of a policy there are.
const countFlag = "count"

// unitFlag represents a flag of a workload whose need is a product of counts and sizes.
type unitFlag struct {
	name, usage string
	// text is the default; empty for a flag that has to be given.
	text    string
	example string
	// kind is what the value is: a whole number, a decimal or a size.
	kind unitKind
}

type unitKind int

const (
	wholeNumber unitKind = iota
	decimal
	byteSize
)

// unitGroup represents flags that describe a workload together.
type unitGroup struct {
	flags []unitFlag
	// each returns what one of --count needs, in words and figures, by the values of the flags.
	each func(v map[string]float64) (need float64, workload, formula string)
}

var unitGroups = []unitGroup{
	{
		flags: []unitFlag{
			{"workers", "`NUMBER` of worker processes of a PyTorch DataLoader (num_workers)", "", "8", wholeNumber},
			{"prefetch", "`NUMBER` of batches that each worker has ready (prefetch_factor)", "2", "2", wholeNumber},
			{"batch-bytes", "`SIZE` of a batch in bytes", "", "38535168", byteSize},
		},
		// torch.utils.data.DataLoader: 2 x num_workers batches are prefetched, with prefetch_factor 2
		// (https://docs.pytorch.org/docs/stable/data.html).
		each: func(v map[string]float64) (float64, string, string) {
			return v["workers"] * v["prefetch"] * v["batch-bytes"],
				fmt.Sprintf("data loaders of %.0f workers, each with %.0f batches of %s B ready", v["workers"], v["prefetch"], human.Count(int64(v["batch-bytes"]))),
				fmt.Sprintf("%.0f workers x %.0f batches x %s B", v["workers"], v["prefetch"], human.Count(int64(v["batch-bytes"])))
		},
	},
	{
		flags: []unitFlag{
			{"work-mem", "PostgreSQL's work_mem, as a `SIZE`", "", "64Mi", byteSize},
			{"parallel-workers", "`NUMBER` of parallel workers of a query (max_parallel_workers_per_gather)", "2", "2", wholeNumber},
			{"hash-mem-multiplier", "PostgreSQL's hash_mem_multiplier, a `NUMBER`", "2", "2", decimal},
		},
		// A parallel hash join uses the hash memory of all its participants, the leader among them:
		// ExecChooseHashTableSize in PostgreSQL's src/backend/executor/nodeHash.c.
		each: func(v map[string]float64) (float64, string, string) {
			participants := v["parallel-workers"] + 1
			return v["work-mem"] * v["hash-mem-multiplier"] * participants,
				fmt.Sprintf("parallel hash joins of %.0f processes with a work_mem of %s", participants, sizing.Bytes(v["work-mem"])),
				fmt.Sprintf("work_mem of %s x %s (hash_mem_multiplier) x %.0f processes", sizing.Bytes(v["work-mem"]), human.Decimal(v["hash-mem-multiplier"]), participants)
		},
	},
}

// addUnitFlags adds the flags of all groups, and --count.
func (m *Flags) addUnitFlags() {
	for _, g := range unitGroups {
		for _, f := range g.flags {
			m.set.String(f.name, f.text, f.usage)
		}
	}
	m.set.String(countFlag, "", "`NUMBER` of units: of a policy that counts, such as cameras or GPUs; of processes with a data loader; of parallel hash joins at a time (default 1)")
}

// givenUnits returns the group of which flags are on the command line; nil for none.
func (m *Flags) givenUnits() (group *unitGroup, given []string) {
	for i := range unitGroups {
		for _, f := range unitGroups[i].flags {
			if m.set.Changed(f.name) {
				group, given = &unitGroups[i], append(given, "--"+f.name)
			}
		}
	}
	return group, given
}

// count returns --count; 0 if it is not given.
func (m *Flags) count() (int32, error) {
	if !m.set.Changed(countFlag) {
		return 0, nil
	}
	n, err := strconv.ParseInt(m.text(countFlag), 10, 32)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, fmt.Errorf("--%s: %s is not a whole number from 1 to 1000000: write one such as 4", countFlag, cli.Quote(m.text(countFlag)))
	}
	return int32(n), nil
}

// value reads one flag of a group.
func (m *Flags) value(f unitFlag) (float64, error) {
	text := m.text(f.name)
	if text == "" {
		return 0, fmt.Errorf("--%s: is missing: give it, such as --%s %s", f.name, f.name, f.example)
	}
	if f.kind == byteSize {
		q, err := QuantityFlag(f.name, text)
		if err == nil && q.Sign() == 0 {
			err = fmt.Errorf("--%s: %s is nothing: write a size such as %s", f.name, cli.Quote(text), f.example)
		}
		return float64(sizing.BytesOf(q)), err
	}
	n, err := strconv.ParseFloat(text, 64)
	whole := f.kind == wholeNumber
	if err != nil || !(n > 0 && n <= 10_000) || whole && n != float64(int64(n)) {
		what := "a number above 0 and up to 10000"
		if whole {
			what = "a whole number from 1 to 10000"
		}
		return 0, fmt.Errorf("--%s: %s is not %s: write one such as %s", f.name, cli.Quote(text), what, f.example)
	}
	return n, nil
}

// fromUnits returns the model that a group of flags describes.
func (m *Flags) fromUnits(g *unitGroup, given []string) (Model, error) {
	if files := m.givenFiles(); len(files) > 0 {
		return Model{}, fmt.Errorf("%s cannot be combined with %s, which describe another workload: leave one of them out", strings.Join(given, ", "), strings.Join(files, ", "))
	}
	var all cli.Errors
	values := map[string]float64{}
	for _, f := range g.flags {
		n, err := m.value(f)
		all.Add(err)
		values[f.name] = n
	}
	for i := range unitGroups {
		for _, f := range unitGroups[i].flags {
			if &unitGroups[i] != g && m.set.Changed(f.name) {
				all.Add(fmt.Errorf("--%s: describes another workload than %s: leave one of them out", f.name, given[len(given)-1]))
			}
		}
	}
	count, err := m.count()
	all.Add(err)
	count = max(count, 1)
	need, workload, formula := g.each(values)
	if most := float64(1 << 50); need > most {
		all.Add(fmt.Errorf("--%s: %s is more than 1Pi in all: write less", g.flags[0].name, cli.Quote(m.text(g.flags[0].name))))
		need = 1
	}
	each := resource.NewQuantity(int64(max(need, 1)), resource.BinarySI)
	p := v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "flags"},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match:  []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}},
			Sizing: &v1alpha1.Sizing{Units: &v1alpha1.Units{Each: *each, Count: v1alpha1.Count{Literal: &count}}, HeadroomPercent: new(int32(policy.DefaultFilesHeadroom))},
		},
	}
	for _, f := range modelFlags {
		if m.set.Changed(f.name) {
			all.Add(f.set(p.Spec.Sizing, m.text(f.name)))
		}
	}
	out, found := New(&p)
	for _, e := range found {
		all.Add(m.explain(e))
	}
	out.Name, out.Workload, out.Formula = "", workload, formula
	if count > 1 {
		out.Workload = fmt.Sprintf("%d %s", count, workload)
		out.Formula = fmt.Sprintf("%d x %s", count, formula)
	}
	return out, all.Err()
}

// withCount returns a policy that counts nothing in a Pod: it has as many units as --count says.
func (m *Flags) withCount(p *v1alpha1.SharedMemoryPolicy) (*v1alpha1.SharedMemoryPolicy, error) {
	count, err := m.count()
	if err != nil || count == 0 {
		return p, err
	}
	if p.Spec.Sizing.Units == nil {
		return nil, errors.New("--count: policy " + cli.Quote(p.Name) + " counts nothing: leave it out")
	}
	p = p.DeepCopy()
	p.Spec.Sizing.Units.Count = v1alpha1.Count{Literal: &count}
	return p, nil
}

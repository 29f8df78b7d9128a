package simulate

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/picture"
	"github.com/shmkeeper/shmkeeper/internal/simulate"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// loaded represents volumes under a growing load: of a model that knows no rate, and so no time.
type loaded struct {
	title   string
	unit    string // of the load
	volumes []simulate.Volume
	rows    []load
	notes   []string
	// payers is the picture, as without a rate nothing says when what is written.
	payers *picture.Bars
}

// load is how much is needed at once by so many units.
type load struct {
	units int64
	need  sizing.Bytes
}

// mostRows bounds the rows of a table of loads.
const mostRows = 40

// newLoaded plays a model without a files model: its units one after the other, or the required size by tenths.
func newLoaded(m model.Model, o *options) (loaded, error) {
	for _, flag := range [...]string{"days", "span", "step", "seed"} {
		if o.model.Changed(flag) {
			return loaded{}, fmt.Errorf("--%s: has no effect, as nothing says when what is written: leave it out, or name a policy with sizing.files", flag)
		}
	}
	limit, err := model.MemoryLimitFlag(o.memoryLimit, o.model.Changed("memory-limit"))
	if err != nil {
		return loaded{}, err
	}
	size, err := m.SizeFor(limit)
	if err != nil {
		return loaded{}, err
	}
	out := loaded{title: m.Summary(), payers: payers(m, size, limit)}
	if out.volumes, out.notes, err = volumesFor(o.sizes, size.Limit, sizing.BytesOf(*m.Spec.Sizing.PageSize)); err != nil {
		return loaded{}, err
	}
	if units := m.Spec.Sizing.Units; units != nil && units.Count.Literal != nil && *units.Count.Literal > 1 {
		out.unit = "UNITS"
		count := int64(*units.Count.Literal)
		step := (count + mostRows - 1) / mostRows
		var base sizing.Bytes
		if units.Base != nil {
			base = sizing.BytesOf(*units.Base)
		}
		for n := step; n < count; n += step {
			out.rows = append(out.rows, load{n, base.Plus(sizing.BytesOf(units.Each).Times(n))})
		}
		out.rows = append(out.rows, load{count, base.Plus(sizing.BytesOf(units.Each).Times(count))})
		return out, nil
	}
	out.unit = "% OF NEED"
	for percent := int64(10); percent <= 100; percent += 10 {
		out.rows = append(out.rows, load{percent, size.Required.Percent(percent)})
	}
	return out, nil
}

// table writes how full each volume is under each load.
func (l loaded) table(w io.Writer, name string) {
	if name != "" {
		fmt.Fprintf(w, "policy %s: ", name)
	}
	fmt.Fprintln(w, l.title+"; how full each size is, by how much is in use at once")
	for _, note := range l.notes {
		fmt.Fprintln(w, "note: "+note)
	}
	fmt.Fprintln(w)
	rows := [][]string{{l.unit, "NEED"}}
	for _, v := range l.volumes {
		rows[0] = append(rows[0], v.Label())
	}
	for _, r := range l.rows {
		row := []string{strconv.FormatInt(r.units, 10), human.MiB(int64(r.need)) + " MiB"}
		for _, v := range l.volumes {
			cell := "full"
			if int64(r.need) <= v.Bytes {
				cell = human.Percent(int64(r.need), v.Bytes)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	cli.WriteTable(w, rows)
	fmt.Fprintln(w)
	for _, v := range l.volumes {
		fmt.Fprintln(w, l.sentence(v))
	}
}

// sentence says how much of the load a volume holds.
func (l loaded) sentence(v simulate.Volume) string {
	last := l.rows[len(l.rows)-1]
	if int64(last.need) <= v.Bytes {
		return fmt.Sprintf("%s: holds all that is needed, %s MiB", v.Label(), human.MiB(int64(last.need)))
	}
	return fmt.Sprintf("%s: %s MiB are missing; a write fails with ENOSPC, and a program that maps the file dies with SIGBUS", v.Label(), human.MiB(int64(last.need)-v.Bytes))
}

// csv writes a row for each load: what is needed, and for each volume what is in use and what does not fit.
func (l loaded) csv(w io.Writer) error {
	header := []string{"units", "need_bytes"}
	if l.unit != "UNITS" {
		header[0] = "percent"
	}
	for _, v := range l.volumes {
		header = append(header, v.Label()+" used_bytes", v.Label()+" missing_bytes")
	}
	out := csv.NewWriter(w)
	records := [][]string{header}
	for _, r := range l.rows {
		record := []string{strconv.FormatInt(r.units, 10), strconv.FormatInt(int64(r.need), 10)}
		for _, v := range l.volumes {
			used := min(int64(r.need), v.Bytes)
			record = append(record, strconv.FormatInt(used, 10), strconv.FormatInt(int64(r.need)-used, 10))
		}
		records = append(records, record)
	}
	if err := out.WriteAll(records); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

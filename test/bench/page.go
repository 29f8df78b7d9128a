package main

import (
	"bytes"
	_ "embed" // the page's text
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"gonum.org/v1/gonum/stat"
)

//go:embed page.md.tmpl
var pageText string

// shortestUnit is the length of a batch below which the figures are too few to be quoted.
const shortestUnit = 2 * time.Second

// mostBusy is the share of the processors above which others were in the way.
const mostBusy = 0.1

// page is what the template shows beside the results.
type page struct {
	*Results
	Doubtful  bool
	Targets   []targetRow
	Paths     []pathTable
	FloorRate float64
	Growths   []growthTable
	HeldBack  []heldBackRow
	LeftOut   []leftOutRow
}

type pathTable struct {
	Size    string
	Nothing PathRow
	Rows    []PathRow
}

type growthTable struct {
	What string
	Rows []Growth
}

// heldBackRow compares a cluster without a webhook with one whose match condition keeps every Pod from being
// sent: the shortest condition, and the one that shmkeeper writes.
type heldBackRow struct {
	Size        string
	Least, Ours Spread
	CPU         float64 // milliseconds of all servers that the second takes more
}

// leftOutRow compares mode enforce without its validating call with mode enforce.
type leftOutRow struct {
	Size                        string
	Latency                     Spread
	Saved, SavedByServer, Share float64
}

// render returns the page. Parts that were not measured have empty tables.
func render(r *Results) (string, error) {
	p := &page{Results: r, Doubtful: r.Busy > mostBusy || r.Unit < shortestUnit, Targets: targetRows(r)}
	for _, size := range []string{small, large} {
		rows := r.Path[size]
		if len(rows) == 0 {
			continue
		}
		title := strings.ReplaceAll(size, "kb", " KB")
		p.Paths = append(p.Paths, pathTable{title, row(rows, nothing), rows})
		least, ours := row(rows, heldBack), row(rows, unmatched)
		p.HeldBack = append(p.HeldBack, heldBackRow{title, least.ToNothing, ours.ToNothing, ours.Total() - least.Total()})
		with, without := row(rows, enforce), row(rows, leftOut)
		saved := with.Total() - without.Total()
		p.LeftOut = append(p.LeftOut, leftOutRow{
			title, ratios(without.Medians, with.Medians), saved, with.CPU[apiServer] - without.CPU[apiServer], saved / with.Total(),
		})
	}
	for _, s := range r.Servers {
		if s.Server == floorName {
			p.FloorRate = s.Limit.Median
		}
	}
	for _, g := range r.Growth.tables() {
		if len(g.Rows) > 0 {
			p.Growths = append(p.Growths, g)
		}
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"clients":     func() int { return clients },
		"batches":     func() int { return batches },
		"connections": func() int { return connections },
		"div":         func(a, b float64) float64 { return a / b },
		"spread":      func(s Spread) string { return s.String() },
		"rate":        func(s Spread) string { return fmt.Sprintf("%.0f (%.0f to %.0f)", s.Median, s.Min, s.Max) },
		"percent":     func(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) },
		"mib":         meanMiB,
		"mostMiB":     mostMiB,
	}).Parse(pageText)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, p)
	return out.String(), err
}

// sizeOfPod is what grows in the first table.
const sizeOfPod = "bytes of the Pod"

func (g *Growths) tables() []growthTable {
	return []growthTable{{sizeOfPod, g.Size}, {"containers", g.Containers}, {"policies", g.Policies}, {"namespaces", g.Namespaces}}
}

// row returns the row of a case.
func row(rows []PathRow, name string) PathRow {
	for _, r := range rows {
		if r.Case == name {
			return r
		}
	}
	return PathRow{}
}

// String returns the median and the extremes with three digits.
func (s Spread) String() string {
	return fmt.Sprintf("%s (%s to %s)", threeDigits(s.Median), threeDigits(s.Min), threeDigits(s.Max))
}

func threeDigits(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

// meanMiB returns the mean of the first tenth of the samples, or with from 1 of the last.
func meanMiB(samples []Memory, from float64) string {
	n := max(1, len(samples)/10)
	if len(samples) < n {
		return ""
	}
	if from > 0 {
		samples = samples[len(samples)-n:]
	}
	var values []float64
	for _, s := range samples[:n] {
		values = append(values, s.MiB)
	}
	return fmt.Sprintf("%.1f", stat.Mean(values, nil))
}

func mostMiB(samples []Memory) string {
	most := 0.0
	for _, s := range samples {
		most = max(most, s.MiB)
	}
	return fmt.Sprintf("%.1f", most)
}

// write writes the page, its picture, and what the picture is drawn from.
func write(root string, r *Results, text string) error {
	drawn, err := r.Growth.draw()
	if err != nil {
		return err
	}
	growth, err := json.MarshalIndent(&r.Growth, "", "  ")
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"performance.md": []byte(text), "performance.svg": drawn, "performance.json": append(growth, '\n')} {
		if err := os.WriteFile(filepath.Join(root, "docs", "explanation", name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

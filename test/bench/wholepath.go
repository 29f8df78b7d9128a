package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

const (
	clients = 16
	batches = 10
)

// PathRow is what the creation of one Pod costs in one case.
type PathRow struct {
	Case, Title string
	Creations   int
	Medians     []float64          // milliseconds; of the batches, in the order of the rounds
	P50, P99    Spread             // milliseconds; over batches
	ToNothing   Spread             // of the medians of batches of one round
	ToFloor     Spread             // likewise
	CPU         map[string]float64 // milliseconds for one creation, by process
}

// Total returns the processor time of all servers for one creation, in milliseconds.
func (r *PathRow) Total() float64 {
	total := 0.0
	for _, ms := range r.CPU {
		total += ms
	}
	return total
}

// Own returns that part of it which is a webhook server's.
func (r *PathRow) Own() float64 { return r.CPU[ours] + r.CPU[floorName] }

// batch is what one batch of creations has measured.
type batch struct {
	latencies []float64 // milliseconds, sorted
	cpu       map[string]time.Duration
}

// measurePath creates Pods of one size by dry runs, in ten batches of a length for each case. In
// each round the cases take turns, and each round begins with another.
func (c *cluster) measurePath(ctx context.Context, size string, length time.Duration, progress io.Writer) ([]PathRow, error) {
	all := make([][]batch, len(pathCases))
	config := rest.CopyConfig(c.cp.Config)
	config.NextProtos = []string{"http/1.1"} // a connection for each client, as many clients have
	config.DisableCompression = true
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	for round := -1; round < batches; round++ { // the first warms up
		for i := range pathCases {
			at := (i + max(round, 0)) % len(pathCases)
			b, err := c.runBatch(ctx, client, &pathCases[at], size, length)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", pathCases[at].title, size, err)
			}
			if round >= 0 {
				all[at] = append(all[at], b)
			}
		}
		fmt.Fprintf(progress, "bench: %s: round %d of %d\n", size, round+1, batches)
	}
	return pathRows(all), nil
}

// runBatch has all clients create Pods until the time is over.
func (c *cluster) runBatch(ctx context.Context, client *http.Client, p *pathCase, size string, length time.Duration) (batch, error) {
	url := c.cp.Config.Host + "/api/v1/namespaces/" + p.namespace(size) + "/pods?dryRun=All"
	body := encode(p.pod(size))
	before, err := c.cpu()
	if err != nil {
		return batch{}, err
	}
	latencies, err := closedLoop(ctx, clients, length, func() error {
		_, err := post(ctx, client, url, body, http.StatusCreated)
		return err
	})
	if err != nil {
		return batch{}, err
	}
	after, err := c.cpu()
	if err != nil {
		return batch{}, err
	}
	for name := range after {
		after[name] -= before[name]
	}
	return batch{latencies, after}, nil
}

// closedLoop has each of some callers call again and again for a time. It returns the milliseconds
// that each call took, sorted, or an error of any.
func closedLoop(ctx context.Context, callers int, length time.Duration, call func() error) ([]float64, error) {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		all   []float64
		first error
	)
	end := time.Now().Add(length)
	for range callers {
		group.Go(func() {
			var own []float64
			var err error
			for err == nil && ctx.Err() == nil && (len(own) == 0 || time.Now().Before(end)) {
				start := time.Now()
				if err = call(); err == nil {
					own = append(own, milliseconds(time.Since(start)))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			if first == nil {
				first = err
			}
		})
	}
	group.Wait()
	slices.Sort(all)
	if first == nil {
		first = ctx.Err()
	}
	return all, first
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// pathRows sums up the batches of all cases.
func pathRows(all [][]batch) []PathRow {
	medians := map[string][]float64{}
	for i := range all {
		medians[pathCases[i].name] = quantiles(all[i], 0.5)
	}
	var rows []PathRow
	for i, p := range pathCases {
		row := PathRow{
			Case: p.name, Title: p.title, Medians: medians[p.name], CPU: map[string]float64{},
			P50: spreadOf(medians[p.name]), P99: spreadOf(quantiles(all[i], 0.99)),
			ToNothing: ratios(medians[p.name], medians[nothing]),
			ToFloor:   ratios(medians[p.name], medians[floorCase]),
		}
		for _, b := range all[i] {
			row.Creations += len(b.latencies)
		}
		for _, b := range all[i] {
			for name, used := range b.cpu {
				row.CPU[name] += milliseconds(used) / float64(row.Creations)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// quantiles returns a quantile of each batch.
func quantiles(of []batch, p float64) []float64 {
	var out []float64
	for _, b := range of {
		out = append(out, quantile(b.latencies, p))
	}
	return out
}

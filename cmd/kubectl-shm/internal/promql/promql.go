// Package promql asks a Prometheus how full /dev/shm is, by the series that the rules of
// manifests/monitoring record: they know the runtime's own /dev/shm too, and asking takes no right in
// the cluster.
package promql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Key identifies a volume: that of the runtime has no name.
type Key struct{ Namespace, Pod, Volume string }

// Volume is what Prometheus knows of one.
type Volume struct {
	Key
	Size, Used sizing.Bytes
	// Files is negative if it is not known: the rules count those of the runtime's own only.
	Files int64
	// Growth is in bytes a second over the last quarter of an hour; NaN if it is not known.
	Growth float64
}

// Source is a Prometheus.
type Source struct{ api v1.API }

// timeout is how long one answer may take.
const timeout = 30 * time.Second

// New returns the Prometheus at an address such as http://prometheus.monitoring:9090. The error says
// what is wrong with the address.
func New(address string) (*Source, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--prometheus-url: %.100q is not the URL of a Prometheus: write one such as http://prometheus.monitoring:9090", address)
	}
	client, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return nil, fmt.Errorf("--prometheus-url: %w", err)
	}
	return &Source{v1.NewAPI(client)}, nil
}

// used are the series of what is in use: of the volumes that have a name, and of the runtime's own.
var used = []string{"shmkeeper:volume_used_bytes", "shmkeeper:default_shm_used_bytes"}

// question is a query, and what its figures are.
type question struct {
	query string
	enter func(*Volume, float64)
}

// questions are those about the volumes that a selector selects.
func questions(selector string) []question {
	size := func(v *Volume, f float64) { v.Size = sizing.Bytes(f) }
	out := []question{
		{"shmkeeper:volume_capacity_bytes" + selector, size},
		{"shmkeeper:default_shm_capacity_bytes" + selector, size},
		{"shmkeeper:default_shm_files" + selector, func(v *Volume, f float64) { v.Files = int64(f) }},
	}
	for _, name := range used {
		out = append(out,
			question{name + selector, func(v *Volume, f float64) { v.Used = sizing.Bytes(f) }},
			question{"deriv(" + name + selector + "[15m])", func(v *Volume, f float64) { v.Growth = f }})
	}
	return out
}

// ErrNoSeries means that the Prometheus does not have the series.
var ErrNoSeries = errors.New("it has no series of /dev/shm: load the rules of manifests/monitoring and see docs/how-to/monitoring.md which settings of node_exporter hide these mounts, or leave --prometheus-url out")

// Volumes returns the volumes of a namespace, or of all if that is empty, sorted.
func (s *Source) Volumes(ctx context.Context, namespace string) ([]Volume, error) {
	found := map[Key]*Volume{}
	at := func(k Key) *Volume {
		if found[k] == nil {
			found[k] = &Volume{Key: k, Files: -1, Growth: math.NaN()}
		}
		return found[k]
	}
	for _, q := range questions(selector(namespace)) {
		if err := s.each(ctx, q.query, func(k Key, f float64) { q.enter(at(k), f) }); err != nil {
			return nil, err
		}
	}
	out := make([]Volume, 0, len(found))
	for _, v := range found {
		if v.Size > 0 {
			out = append(out, *v)
		}
	}
	if len(out) == 0 {
		return nil, ErrNoSeries
	}
	slices.SortFunc(out, func(a, b Volume) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Volume, b.Volume))
	})
	return out, nil
}

// Peaks returns the most that was in use of each volume over a time.
func (s *Source) Peaks(ctx context.Context, namespace string, window time.Duration) (map[Key]sizing.Bytes, error) {
	out := map[Key]sizing.Bytes{}
	for _, name := range used {
		query := fmt.Sprintf("max_over_time(%s%s[%s])", name, selector(namespace), model.Duration(window))
		err := s.each(ctx, query, func(k Key, f float64) { out[k] = max(out[k], sizing.Bytes(f)) })
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func selector(namespace string) string {
	if namespace == "" {
		return `{namespace!=""}`
	}
	return fmt.Sprintf("{namespace=%q}", namespace)
}

// most bounds what a figure of bytes or files can be: 1Pi.
const most = 1 << 50

// each calls a function with the figure of each volume in an answer. What cannot be true is left out.
func (s *Source) each(ctx context.Context, query string, do func(Key, float64)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	value, _, err := s.api.Query(ctx, query, time.Time{})
	if err != nil {
		return fmt.Errorf("ask Prometheus for %s: %w: check --prometheus-url, and that it can be reached from here", query, err)
	}
	vector, ok := value.(model.Vector)
	if !ok {
		return fmt.Errorf("ask Prometheus for %s: the answer is a %s: check --prometheus-url", query, value.Type())
	}
	for _, sample := range vector {
		f := float64(sample.Value)
		if math.IsNaN(f) || math.Abs(f) > most { // no node has as much memory
			continue
		}
		do(Key{string(sample.Metric["namespace"]), string(sample.Metric["pod"]), string(sample.Metric["volume"])}, f)
	}
	return nil
}

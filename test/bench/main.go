// Command bench measures what admission by shmkeeper costs, for docs/explanation/performance.md: beside the least
// that a webhook can cost, beside what the API server can do without one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/shmkeeper/shmkeeper/envtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// units is into how many equal parts the time of a run is divided: the batches of the whole path,
// the steps of the load, the figures of growth, and a tenth for what lies between.
const units = 600

// parts are what -parts can name.
var parts = []string{"go", "path", "load", "growth"}

// options are the flags.
type options struct {
	time, soak       time.Duration
	parts            string
	match, benchtime string
	packages         string
	update           bool
	from             string
}

func (o *options) parse(args []string) error {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.DurationVar(&o.time, "time", 5*time.Minute, "how long the measurements on the real API server take, without the two of -soak")
	f.DurationVar(&o.soak, "soak", 20*time.Second, "how long each server gets half of its highest rate")
	f.StringVar(&o.parts, "parts", strings.Join(parts, ","), "what to measure")
	f.StringVar(&o.match, "bench", ".", "regular expression: which Go benchmarks to run")
	f.StringVar(&o.benchtime, "benchtime", "300ms", "how long each Go benchmark takes")
	f.StringVar(&o.packages, "packages", "./policy/... ./webhook/...", "the packages of the Go benchmarks")
	f.BoolVar(&o.update, "update", false, "write docs/explanation/performance.md and its picture; needs all parts")
	f.StringVar(&o.from, "from", "", "measure nothing, and take the figures that an earlier run has written to this file")
	if err := f.Parse(args); err != nil {
		return err
	}
	for _, part := range strings.Split(o.parts, ",") {
		if !slices.Contains(parts, part) {
			return fmt.Errorf("-parts: %q is unknown: use any of %s, separated by commas", part, strings.Join(parts, ", "))
		}
	}
	if o.update && o.parts != strings.Join(parts, ",") {
		return fmt.Errorf("-update: the page has all parts: leave out -parts %s", o.parts)
	}
	return nil
}

func (o *options) has(part string) bool { return slices.Contains(strings.Split(o.parts, ","), part) }

// Results are the figures of one run.
type Results struct {
	Processors int
	GoVersion  string
	Kubernetes string
	Busy       float64 // share of the processors' time that others used before the run
	Unit, Soak time.Duration
	Go         []GoBenchmark
	Path       map[string][]PathRow // by the size of the Pod
	Servers    []LoadRow
	Growth     Growths
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	var o options
	if err := o.parse(args); err != nil {
		return err
	}
	root, err := envtest.Root(ctx)
	if err != nil {
		return err
	}
	r := &Results{}
	if o.from != "" {
		data, err := os.ReadFile(filepath.Clean(o.from))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, r); err != nil {
			return fmt.Errorf("-from: %q: %w: name a file that this command has written", o.from, err)
		}
	} else if err := o.measure(ctx, root, r, stdout); err != nil {
		return err
	}
	page, err := render(r)
	if err != nil {
		return err
	}
	if !o.update {
		_, err := io.WriteString(stdout, page)
		return err
	}
	return write(root, r, page)
}

// measure takes all figures, and keeps them in out/bench.json.
func (o *options) measure(ctx context.Context, root string, r *Results, progress io.Writer) error {
	*r = Results{
		Processors: runtime.NumCPU(), GoVersion: runtime.Version(), Unit: o.time / units, Soak: o.soak, Path: map[string][]PathRow{},
	}
	var err error
	if r.Busy, err = busy(ctx, 5*time.Second); err != nil {
		return err
	}
	if o.has("go") {
		if r.Go, err = runGoBenchmarks(ctx, root, o.match, o.benchtime, strings.Fields(o.packages), progress); err != nil {
			return err
		}
	}
	if o.has("path") || o.has("load") || o.has("growth") {
		if err := o.measureCluster(ctx, r, progress); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	out := filepath.Join(root, "out")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "bench.json"), data, 0o644)
}

// measureCluster takes the figures that need an API server.
func (o *options) measureCluster(ctx context.Context, r *Results, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "shmkeeper-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := startCluster(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	version, err := c.kube.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	r.Kubernetes = version.GitVersion
	if err := c.prepareRecording(ctx); err != nil {
		return err
	}
	t, err := c.targets(ctx)
	if err != nil {
		return err
	}
	for _, size := range []string{small, large} {
		if err := c.prepareCases(ctx, size, t.mutate); err != nil {
			return err
		}
		if !o.has("path") {
			continue
		}
		if r.Path[size], err = c.measurePath(ctx, size, r.Unit, progress); err != nil {
			return err
		}
	}
	if o.has("load") {
		review, err := c.record(ctx, matchedPod(sizes[small]))
		if err != nil {
			return err
		}
		if r.Servers, err = measureLoad(ctx, []target{t.floor, t.mutate}, c.pids, review.mutate, 3, r.Unit, o.soak, progress); err != nil {
			return err
		}
	}
	if o.has("growth") {
		g := grower{cluster: c, targets: t, length: r.Unit, progress: progress}
		if g.dynamic, err = dynamic.NewForConfig(c.cp.Config); err != nil {
			return err
		}
		if r.Growth, err = g.measureGrowth(ctx); err != nil {
			return err
		}
	}
	return nil
}

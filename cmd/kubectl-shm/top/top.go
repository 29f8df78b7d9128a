// Package top shows how full every /dev/shm is that runs, what fills first at the top.
package top

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/promql"
)

const help = `Shows how full every /dev/shm and every other Memory emptyDir of the running Pods is:
what fills first comes first. The container runtime's own 64 MiB, which no metric of
Kubernetes shows, are included.

It runs stat, or df, in one container of each Pod (kubectl exec), and reads what its
memory cgroup is charged for. That takes your own rights to list pods and to create
pods/exec; nothing is written, and the contents of files are not read. Growth takes two
readings: --interval 0 leaves the second one out, and --watch goes on reading.

Growth is a slope by least squares over the readings, the last 30 of them with --watch, and
begins again when somebody has emptied the volume. It is what is left of what comes and
goes. FILES/MIN of -o wide is how many files are created, deleted ones included: --watch
knows it after some minutes, once it has seen enough to know it within 25 %.

html is one page without links to anything else: write it to a file and open it in a
browser.

If an image has no shell, --allow-ephemeral-container adds a container to the Pod
that has one, which takes the right to patch pods/ephemeralcontainers. It ends after
15 minutes, but its entry stays in the Pod's spec for as long as the Pod is there.

With --prometheus-url nothing is executed, and the right to list pods is enough: the
figures are those of the rules in manifests/monitoring, and growth is that of the last
15 minutes. Volumes without shm in their name are then not known.

In JSON, YAML and CSV sizes are in bytes, times in seconds, and growth in bytes and
files a second; createdPerMinute is FILES/MIN, and ratePercent half its interval of
confidence at 95 %; what is not known is null, or empty.
  FULL IN     at the present growth; "full" if nothing more fits, "-" if it does not
              grow
  OOM FIRST   whether the memory limit is reached before the volume is full: then the
              container is OOM-killed, and again at each restart, as the files stay`

const examples = `  # The namespace of the context; all namespaces; some Pods
  kubectl shm top
  kubectl shm top -A
  kubectl shm top -n authentik -l goauthentik.io/outpost-type=proxy

  # Follow it
  kubectl shm top -n authentik --watch --interval 30s

  # As a page to look at
  kubectl shm top -A -o html > top.html

  # What is above 80 %
  kubectl shm top -A --interval 0 -o json | jq '.volumes[] | select(.usedBytes > 0.8 * .sizeBytes)'`

type options struct {
	cluster   live.Flags
	ephemeral inspect.Ephemeral
	output    cli.Choice
	interval  time.Duration
	watch     bool
	at        int
	all       bool
	// prometheus is the URL of the source to ask instead of the containers; empty for none.
	prometheus string
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "top",
		Short:   "Show how full every /dev/shm is, and what fills first",
		Long:    help,
		Example: examples,
		Args:    cli.NoArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	flags := cmd.Flags()
	o.cluster.AddSelection(cmd)
	flags.BoolVarP(&o.watch, "watch", "w", false, "read again at each interval, until interrupted")
	flags.DurationVar(&o.interval, "interval", 10*time.Second, "`TIME` between two readings, such as 1m; 0 reads once")
	flags.BoolVar(&o.all, "all", false, "show also the runtime's own /dev/shm of Pods that have nothing in it")
	flags.IntVar(&o.at, "concurrency", 16, "`NUMBER` of Pods that are read at once")
	flags.StringVar(&o.prometheus, "prometheus-url", "", "ask the Prometheus at this `URL` instead of the containers; it needs the rules of manifests/monitoring")
	o.ephemeral.Add(cmd)
	o.output.AddOutput(cmd, "table", "wide", "json", "yaml", "csv", "html")
	o.cluster.Add(cmd)
	return cmd
}

func (o *options) validate() error {
	switch {
	case o.interval < 0:
		return fmt.Errorf("--interval: %s is not a time from 0 on: write one such as 10s", o.interval)
	case o.watch && o.interval < time.Second:
		return fmt.Errorf("--interval: %s is too short for --watch: write at least 1s", o.interval)
	case o.watch && o.output.Value == "html":
		return errors.New("--output: html is one page, and --watch goes on writing: leave out --watch, or write table, wide, json, yaml or csv")
	case o.prometheus != "" && o.ephemeral.Allowed:
		return errors.New("--allow-ephemeral-container: it has no effect with --prometheus-url, by which nothing is executed: leave one of the two out")
	case o.at < 1 || o.at > 256:
		return fmt.Errorf("--concurrency: %d is not from 1 to 256: 16 is what an API server does not notice", o.at)
	}
	return o.ephemeral.Validate()
}

func (o *options) run(ctx context.Context, s cli.Streams) error {
	if err := o.validate(); err != nil {
		return err
	}
	source, err := o.source()
	if err != nil {
		return err
	}
	ctx, stop := live.Interruptible(ctx)
	defer stop()
	c, err := o.cluster.Connect(s)
	if err != nil {
		return err
	}
	reader, err := inspect.NewReader(c.Config, c.Client)
	if err != nil {
		return err
	}
	scan := &scanner{cluster: c, reader: reader, ephemeral: o.ephemeral, at: o.at, volumes: map[key]*volume{}, source: source}
	if o.watch {
		return o.follow(ctx, s, scan)
	}
	if err := o.read(ctx, s, scan, o.interval); err != nil {
		return err
	}
	return o.write(s, scan)
}

// source returns the Prometheus to ask instead of the containers; nil for none.
func (o *options) source() (*promql.Source, error) {
	if o.prometheus == "" {
		return nil, nil
	}
	return promql.New(o.prometheus)
}

// read reads the volumes, and once more after a time if that is not 0.
func (o *options) read(ctx context.Context, s cli.Streams, scan *scanner, again time.Duration) error {
	if err := scan.scan(ctx, s); err != nil {
		return err
	}
	if err := scan.refused(); err != nil {
		return scan.cluster.Explain("look into the Pods of "+scan.cluster.Where(), err)
	}
	switch {
	case len(scan.volumes) == 0:
		return scan.cluster.CheckNamespace(ctx)
	case again == 0 || scan.source != nil: // Prometheus knows the growth
		return nil
	}
	if err := pause(ctx, again); err != nil {
		return err
	}
	return scan.scan(ctx, s)
}

// follow writes a table after each interval, until the user interrupts it.
func (o *options) follow(ctx context.Context, s cli.Streams, scan *scanner) error {
	s.Out = s.Direct
	clear := ""
	if s.Terminal {
		clear = "\x1b[H\x1b[2J\x1b[3J"
	}
	for {
		switch err := o.read(ctx, s, scan, 0); {
		case errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		}
		fmt.Fprint(s.Out, clear)
		if o.output.Value == "table" || o.output.Value == "wide" {
			fmt.Fprintf(s.Out, "%s, every %s\n", time.Now().Format(time.RFC3339), o.interval)
		}
		if err := o.write(s, scan); err != nil {
			return err
		}
		if pause(ctx, o.interval) != nil {
			return nil // interrupted
		}
		switch {
		case s.Terminal:
		case o.output.Value == "yaml":
			fmt.Fprintln(s.Out, "---")
		default:
			fmt.Fprintln(s.Out)
		}
	}
}

// pause waits; the error is the context's.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

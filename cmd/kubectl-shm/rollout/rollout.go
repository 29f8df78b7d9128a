// Package rollout restarts the workloads whose Pods lack what their policy gives.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
)

const help = `Restarts the workloads of a namespace whose Pods lack what their policy gives, so that the
webhook gives it to the new Pods. A policy changes Pods when they are created and never
later: after a namespace is opted in, or a policy changes, what runs stays as it is.

Without --dry-run=none it changes nothing and lists what it would do. With it, it restarts
one workload at a time, as kubectl rollout restart does, waits until all of its Pods are
new and ready, looks whether they have what was missing, and stops at the first workload
that fails. It can be run again: what has been done is not done twice.

There is no -A: a restart is for one namespace at a time, whose owners know when. To see what
all namespaces lack, use kubectl shm audit -A.

Deployments, StatefulSets and DaemonSets are restarted. A workload is left alone, and the
list says why, if
  - it is of another kind, paused, or replaces its Pods by hand only (OnDelete)
  - a rollout of it is in progress
  - the namespace or the policy is not in mode enforce: a restart would change nothing
  - its new Pods would be rejected, for example since a quota has too little left

Exit status: 0, or 1 if a workload failed, or 2 for bad usage and a cluster that does not
answer.`

const examples = `  # What lacks what its policy gives, and what would be restarted?
  kubectl shm rollout -n shop

  # Restart it, at most 5 minutes for each workload
  kubectl shm rollout -n shop --dry-run=none --timeout 5m

  # Only what is labeled so
  kubectl shm rollout -n shop -l app=auth --dry-run=none`

type options struct {
	cluster  live.Flags
	policies live.PolicyFlags
	dryRun   cli.Choice
	timeout  time.Duration
	pause    time.Duration
	output   cli.Choice
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "rollout",
		Short:   "Restart the workloads whose Pods lack what their policy gives, one at a time",
		Long:    help,
		Example: examples,
		Args:    cli.NoArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	o.cluster.AddSelector(cmd)
	o.cluster.Add(cmd)
	o.policies.AddMirrors(cmd)
	o.dryRun.Value = "client"
	o.dryRun.Add(cmd, "dry-run", "", "what is done: client only lists, server also has the API server check each change, none restarts: ", "client", "server", "none")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long to wait for one workload to be ready")
	cmd.Flags().DurationVar(&o.pause, "pause", 0, "how long to wait from one workload to the next")
	o.output.AddOutput(cmd, "table", "wide", "json", "yaml", "csv")
	return cmd
}

func (o *options) validate() error {
	switch {
	case o.timeout <= 0:
		return fmt.Errorf("--timeout: %q is not above 0: write one such as 10m", o.timeout)
	case o.pause < 0:
		return fmt.Errorf("--pause: %q is negative: write one such as 30s", o.pause)
	case o.dryRun.Value == "none" && o.output.Value != "table" && o.output.Value != "wide":
		return fmt.Errorf("--output: %q is for the list alone: leave out --dry-run=none", o.output.Value)
	}
	return nil
}

func (o *options) run(ctx context.Context, s cli.Streams) error {
	if err := o.validate(); err != nil {
		return err
	}
	ctx, stop := live.Interruptible(ctx)
	defer stop()
	c, err := o.cluster.Connect(s)
	if err != nil {
		return err
	}
	p := &planner{cluster: c}
	if p.policies, err = o.policies.Load(ctx, c, s.In); err != nil {
		return err
	}
	found, err := p.plan(ctx, s)
	if err != nil {
		return err
	}
	if o.dryRun.Value == "none" {
		return o.restartAll(ctx, s, p, found)
	}
	if o.dryRun.Value == "server" {
		for i := range found {
			if found[i].reason == "" {
				if err := p.restart(ctx, &found[i], true); err != nil {
					found[i].reason = err.Error()
				}
			}
		}
	}
	return o.write(s, c, found)
}

// restartAll restarts what can be, and stops at the first that fails.
func (o *options) restartAll(ctx context.Context, s cli.Streams, p *planner, found []candidate) error {
	out := s.Direct
	done, left := 0, 0
	for i := range found {
		w := &found[i]
		if w.reason != "" {
			fmt.Fprintf(out, "%s: left alone: %s\n", w.workload, w.reason)
			left++
			continue
		}
		if done > 0 && o.pause > 0 {
			if err := pause(ctx, o.pause); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "%s: restarting, %d of %d Pods lack it: %s\n", w.workload, w.lacking, w.pods, w.detail)
		begin := time.Now()
		if err := p.finish(ctx, out, w, o.timeout); err != nil {
			return o.failed(ctx, s.ErrOut, w, err, len(found)-i-1)
		}
		fmt.Fprintf(out, "%s: ready after %s\n", w.workload, time.Since(begin).Round(time.Second))
		done++
	}
	for _, note := range p.cluster.Notes() {
		fmt.Fprintln(s.ErrOut, "note: "+note)
	}
	fmt.Fprintf(out, "%d restarted, %d left alone\n", done, left)
	return nil
}

// failed says at which workload it stopped, and what to do.
func (o *options) failed(ctx context.Context, w io.Writer, at *candidate, err error, rest int) error {
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(w, "error: %s: %v: see kubectl -n %s rollout status %s, and undo it with kubectl -n %s rollout undo %s; %d after it were not looked at\n",
		at.workload, err, at.workload.Namespace, at.workload.Ref(), at.workload.Namespace, at.workload.Ref(), rest)
	return cli.ErrRejected
}

// pause waits, or until ctx ends.
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

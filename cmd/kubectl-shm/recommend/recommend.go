// Package recommend says how large the /dev/shm of running workloads should be, from what is in it.
package recommend

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

const help = `Says how large the /dev/shm of running workloads should be: what they have, what they
use, how many files a minute come and how old they get, the size that follows, and how
much that is worth.

It lists the files of one container of each Pod (kubectl exec), as kubectl shm diagnose
does: names leave it as patterns only, and contents are not read. The rate and the
retention are from the ages of the files that are there, so one look is enough; files
that were deleted are not seen. A Pod whose oldest file is about as old as the Pod has
deleted nothing yet: then the retention of its policy counts, and without one no size
is enough.

-o policies writes a policy for each workload, in mode Audit, to be reviewed, and
checked with kubectl shm lint. -o html writes one page without links to anything else:
write it to a file and open it in a browser.

USED is what is in use now or, with --prometheus-url, the most that was over --window. It
decides for workloads that keep no file for each request.

  CONFIDENCE  high: the rate is known within 10 %, over a day or more, and files are seen
              to be deleted; medium: within 25 %, over an hour or more; low: anything else`

const examples = `  kubectl shm recommend -n authentik
  kubectl shm recommend -A -o csv

  # As a page to look at
  kubectl shm recommend -A -o html > recommend.html

  # A policy to review
  kubectl shm recommend -n authentik -o policies > policy.yaml
  kubectl shm lint -f policy.yaml`

type options struct {
	cluster   live.Flags
	policies  live.PolicyFlags
	ephemeral inspect.Ephemeral
	output    cli.Choice
	at        int
	// prometheus is the URL of one to ask for peaks over window; empty for none.
	prometheus string
	window     time.Duration
	// givenWindow reports whether window is given.
	givenWindow func() bool
	// givenPolicies reports whether -p names policies: then they must be valid.
	givenPolicies func() bool
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "recommend",
		Short:   "Say how large /dev/shm should be, from what is in it",
		Long:    help,
		Example: examples,
		Args:    cli.NoArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	o.cluster.AddSelection(cmd)
	o.policies.Add(cmd)
	o.givenWindow = func() bool { return cmd.Flags().Changed("window") }
	o.givenPolicies = func() bool { return cmd.Flags().Changed("policy") }
	cmd.Flags().IntVar(&o.at, "concurrency", 8, "`NUMBER` of Pods that are looked into at once")
	cmd.Flags().StringVar(&o.prometheus, "prometheus-url", "", "take the peak of use from the Prometheus at this `URL`; it needs the rules of manifests/monitoring")
	cmd.Flags().DurationVar(&o.window, "window", 168*time.Hour, "`TIME` of that peak, such as 24h")
	o.ephemeral.Add(cmd)
	o.output.AddOutput(cmd, "table", "wide", "json", "yaml", "csv", "html", "policies")
	o.cluster.Add(cmd)
	return cmd
}

func (o *options) validate() error {
	switch {
	case o.at < 1 || o.at > 64:
		return fmt.Errorf("--concurrency: %d is not from 1 to 64: write 8", o.at)
	case o.window < time.Minute || o.window > 366*24*time.Hour:
		return fmt.Errorf("--window: %s is not from 1m to 8784h: write one such as 168h", o.window)
	case o.givenWindow() && o.prometheus == "":
		return errors.New("--window: it is the time of a peak that only a Prometheus knows: add --prometheus-url, or leave it out")
	}
	return o.ephemeral.Validate()
}

func (o *options) run(ctx context.Context, s cli.Streams) error {
	if err := o.validate(); err != nil {
		return err
	}
	var source *promql.Source
	if o.prometheus != "" {
		var err error
		if source, err = promql.New(o.prometheus); err != nil {
			return err
		}
	}
	ctx, stop := live.Interruptible(ctx)
	defer stop()
	c, err := o.cluster.Connect(s)
	if err != nil {
		return err
	}
	w, err := o.newSurvey(ctx, c, s, source)
	if err != nil {
		return err
	}
	if err := w.look(ctx, s); err != nil {
		return c.Explain("look into the Pods of "+c.Where(), err)
	}
	return o.write(s, c, w.recommendations(), append(c.Notes(), w.notes...))
}

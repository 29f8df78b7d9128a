// Package audit shows what the policies make of the workloads that run in a cluster.
package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
)

const help = `Looks at the Pods that run, and at the workloads that have none now, under the policies of
the cluster, or those of -p instead. It reads and changes nothing.

A line stands for a workload: a Deployment, a StatefulSet, or what else is the topmost
owner of Pods. RESULT is the worst of its Pods:
  violating  rejected in mode enforce
  changed    given a volume, a larger one or more memory, when a Pod is created
  unmatched  no policy matches, and it looks as if it wrote to /dev/shm
  compliant, exempt, skipped
MODE is what counts: the lesser of the namespace's label and the policy's mode. It is "-"
in a namespace without the label, where nothing is changed or rejected; the result is then
what opting in would do.

The sums of a namespace are those of all matched Pods, with the replicas that a workload
is to have, as they are and as they would be once each was created again. A ResourceQuota
is named if that is more than it has.

table and wide list the workloads of the first three results; --compliant adds the
others that a policy matches, and wide has every text in full. json, yaml, csv and html
have all of these. html is one page without links to anything else: write it to a file and
open it in a browser.

Exit status: 0, or 1 if --fail-on says so, or 2 for bad usage and a cluster that does not
answer.

It needs the right to list Pods. With the right to list ReplicaSets, Jobs, Deployments,
StatefulSets, DaemonSets, CronJobs, Namespaces, LimitRanges, ResourceQuotas and
SharedMemoryPolicies it says more; notes name what is missing.`

const examples = `  # What would opting in change, or reject, in the whole cluster?
  kubectl shm audit -A

  # In one namespace, with every detail
  kubectl shm audit -n shop -o wide

  # As a page to look at
  kubectl shm audit -A -o html > audit.html

  # Nightly: fail if a workload would be rejected
  kubectl shm audit -A --fail-on violating

  # What a policy would do that is not applied yet
  kubectl shm audit -A -p my-policy.yaml`

type options struct {
	cluster   live.Flags
	policies  live.PolicyFlags
	compliant bool
	failOn    cli.Choice
	output    cli.Choice
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "Show what the policies would change or reject of what runs in a cluster",
		Long:    help,
		Example: examples,
		Args:    cli.NoArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	o.cluster.AddSelection(cmd)
	o.cluster.Add(cmd)
	o.policies.Add(cmd)
	cmd.Flags().BoolVar(&o.compliant, "compliant", false, "list the workloads too that stay as they are")
	o.failOn.Value = "never"
	o.failOn.Add(cmd, "fail-on", "", "exit with status 1 if a workload is so: ", "changed", "violating", "never")
	o.output.AddOutput(cmd, "table", "wide", "json", "yaml", "csv", "html")
	return cmd
}

func (o *options) run(ctx context.Context, s cli.Streams) error {
	ctx, stop := live.Interruptible(ctx)
	defer stop()
	c, err := o.cluster.Connect(s)
	if err != nil {
		return err
	}
	r, err := o.read(ctx, s, c)
	if err != nil {
		return err
	}
	if err := o.write(s, r); err != nil {
		return err
	}
	if r.fails(o.failOn.Value) {
		return cli.ErrRejected
	}
	return nil
}

func (o *options) write(s cli.Streams, r *report) error {
	var err error
	switch o.output.Value {
	case "json":
		err = cli.WriteJSON(s.Out, r.json())
	case "yaml":
		err = cli.WriteYAML(s.Out, r.json())
	case "csv":
		err = r.table(true).WriteCSV(s.Out)
	case "html":
		err = writePage(s.Out, r, time.Now())
	default:
		r.write(s.Out, o.compliant, o.output.Value == "wide", s.Width)
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	for _, note := range r.notes {
		fmt.Fprintln(s.ErrOut, "note: "+note)
	}
	return nil
}

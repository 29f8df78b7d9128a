// Package diagnose finds the cause of a Pod's full /dev/shm: what is in it, since when, what helps.
package diagnose

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
)

const help = `Says what is wrong with the /dev/shm of a Pod and what helps: what is in it, since when
it fills and when it is full, what happened to its containers, which policy matches or
would fit, what to do now and what each remedy loses, and what to do for good.

It runs stat, find and awk in a container of the Pod (kubectl exec): that takes your
own right to create pods/exec, a second of processor time for 100,000 files and some
3 MiB of the container's memory. Nothing is written. Names of files leave the
container as patterns only, such as session_*, and contents are not read. Times are
from the ages of the files, so what was deleted is not seen.

It also takes the right to get pods. What it may not read of policies, namespaces,
events and owners is left out, and said.

If an image has no shell, or no container runs, --allow-ephemeral-container adds one
to the Pod that has a shell, which takes the right to patch pods/ephemeralcontainers.
It ends after 15 minutes, but its entry stays in the Pod's spec for as long as the Pod
is there.

The exit status is 0 whatever is found.`

const examples = `  kubectl shm diagnose -n authentik ak-outpost-authentik-embedded-outpost-587598dc4b-x7k2p

  # An image without a shell
  kubectl shm diagnose -n shop pod/cart-0 --allow-ephemeral-container --image registry.example.org/busybox:1.37

  # With policies that are not in the cluster yet
  kubectl shm diagnose -n shop cart-0 -p my-policy.yaml`

type options struct {
	cluster   live.Flags
	policies  live.PolicyFlags
	ephemeral inspect.Ephemeral
	output    cli.Choice
	// givenPolicies reports whether -p names policies: then they must be valid.
	givenPolicies func() bool
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "diagnose POD",
		Short:   "Say what is in a Pod's /dev/shm, since when it fills, and what helps",
		Long:    help,
		Example: examples,
		Args:    cli.OnePod,
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), s, cli.PodName(args[0])) },
	}
	o.policies.Add(cmd)
	o.givenPolicies = func() bool { return cmd.Flags().Changed("policy") || cmd.Flags().Changed("image-mirrors") }
	o.ephemeral.Add(cmd)
	o.output.AddOutput(cmd, "text", "json", "yaml")
	o.cluster.Add(cmd)
	return cmd
}

func (o *options) run(ctx context.Context, s cli.Streams, name string) error {
	if err := o.ephemeral.Validate(); err != nil {
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
	pod := &corev1.Pod{}
	if err := c.Client.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, pod); err != nil {
		return c.Explain(fmt.Sprintf("read Pod %s in %s", cli.Quote(name), c.Where()), err)
	}
	now := time.Now()
	r := newReport(pod, now)
	if err := r.look(ctx, reader, pod, o.ephemeral); err != nil {
		return c.Explain(fmt.Sprintf("look into Pod %s", cli.Quote(name)), err)
	}
	if err := o.addPolicy(ctx, c, s, &r, pod); err != nil {
		return err
	}
	r.addEvents(ctx, c.Client, pod, now)
	owners, err := c.ReadOwners(ctx)
	if err != nil {
		return err
	}
	w := owners.Of(pod)
	r.Workload = w.String()
	var worst *volume
	r.Reason, worst, r.Cause = r.diagnosis()
	r.remedies(worst, w)
	r.Notes = append(r.Notes, c.Notes()...)
	return r.write(s, o.output.Value)
}

func (r *report) write(s cli.Streams, format string) error {
	switch format {
	case "json":
		return cli.WriteJSON(s.Out, r)
	case "yaml":
		return cli.WriteYAML(s.Out, r)
	default:
		r.writeText(s.Out)
		for _, note := range r.Notes {
			fmt.Fprintln(s.ErrOut, "note:", note)
		}
		return nil
	}
}

// Package resize enlarges the /dev/shm of a running Pod in place, with the memory that it costs.
package resize

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy"
)

const help = `Raises a running Pod's memory limit, and the sizeLimit of its /dev/shm, to what its
policy gives a new Pod. Nothing is restarted, and what is in memory stays.

Without --dry-run=none nothing is changed: the API server is asked by a dry run what
it would take. What a cluster can do:
  memory limits and requests   Kubernetes 1.33 and later, for good since 1.35
  the sizeLimit of a volume    Kubernetes 1.37 with the alpha feature gate
                               InPlacePodVerticalScalingMemoryBackedVolumes on the API
                               server and on the node, on cgroup v2 (KEP-6030)
  a volume that is not there   never: the Pod has to be replaced
What cannot be changed is left out, and the rest is done: a Pod that is OOM-killed
again and again by its own full volume stops when its memory limit is raised.

It takes your own rights: get pods, list sharedmemorypolicies and limitranges, patch
pods/resize; and, to say more about the node, get nodes.

The exit status is 0 if all of it is possible, or done, and 1 if not.`

const examples = `  # What would be changed, and whether this cluster can do it
  kubectl shm resize -n authentik ak-outpost-authentik-embedded-outpost-587598dc4b-x7k2p

  # Do it, and wait for the kubelet
  kubectl shm resize -n authentik ak-outpost-authentik-embedded-outpost-587598dc4b-x7k2p --dry-run=none

  # In a cluster without policies
  kubectl shm resize -n authentik POD -p authentik-proxy-outposts`

type options struct {
	cluster  live.Flags
	policies live.PolicyFlags
	output   cli.Choice
	dryRun   cli.Choice
	timeout  time.Duration
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "resize POD",
		Short:   "Enlarge the /dev/shm and the memory of a running Pod, in place",
		Long:    help,
		Example: examples,
		Args:    cli.OnePod,
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), s, cli.PodName(args[0])) },
	}
	o.policies.Add(cmd)
	o.dryRun.Value = "server"
	o.dryRun.Add(cmd, "dry-run", "", "what is done: server asks the API server and changes nothing, none does it: ", "server", "none")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long to wait for the kubelet, as a `TIME` such as 90s")
	o.output.AddOutput(cmd, "table", "json", "yaml")
	o.cluster.Add(cmd)
	return cmd
}

func (o *options) run(ctx context.Context, s cli.Streams, name string) error {
	if o.timeout <= 0 {
		return fmt.Errorf("--timeout: %s is not above 0: write a time such as 90s", o.timeout)
	}
	ctx, stop := live.Interruptible(ctx)
	defer stop()
	c, err := o.cluster.Connect(s)
	if err != nil {
		return err
	}
	pod := &corev1.Pod{}
	if err := c.Client.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, pod); err != nil {
		return c.Explain(fmt.Sprintf("read Pod %s in %s", cli.Quote(name), c.Where()), err)
	}
	e, subject, err := o.evaluate(ctx, c, s, pod)
	if err != nil {
		return err
	}
	r := result{Namespace: pod.Namespace, Pod: pod.Name, Policy: e.Policy, Changes: []verdict{}, Never: []string{}, Notes: append([]string{}, c.Notes()...)}
	w, err := wishFor(pod, subject, e)
	if err != nil {
		return err
	}
	if err := o.carryOut(ctx, s, &resizer{client: c.Client, pod: pod}, w, &r); err != nil {
		return c.Explain(fmt.Sprintf("resize Pod %s", cli.Quote(name)), err)
	}
	if err := r.write(s, o.output.Value); err != nil {
		return err
	}
	if !r.whole() {
		return cli.ErrRejected
	}
	return nil
}

// evaluate returns what the policies make of a Pod that is there.
func (o *options) evaluate(ctx context.Context, c *live.Cluster, s cli.Streams, pod *corev1.Pod) (policy.Evaluation, policy.Subject, error) {
	policies, err := o.policies.Load(ctx, c, s.In)
	if err != nil {
		return policy.Evaluation{}, policy.Subject{}, err
	}
	namespaces, err := c.ReadNamespaces(ctx)
	if err != nil {
		return policy.Evaluation{}, policy.Subject{}, err
	}
	subject := namespaces.Subject(pod)
	e := policies.Set.Evaluate(subject)
	if e.Outcome == policy.NotMatched {
		return e, subject, fmt.Errorf("no policy matches Pod %s (of %s): name the one to use with -p, such as -p authentik-proxy-outposts; kubectl shm policies lists the built-in ones", cli.Quote(pod.Name), policies.Whose)
	}
	return e, subject, nil
}

// wishFor returns what a resize of the Pod would change; the error says why nothing can be planned.
func wishFor(pod *corev1.Pod, subject policy.Subject, e policy.Evaluation) (wish, error) {
	switch {
	case pod.Status.Phase != corev1.PodRunning && pod.Status.Phase != corev1.PodPending:
		return wish{}, fmt.Errorf("pod %s is %s: only one that runs can be resized", cli.Quote(pod.Name), pod.Status.Phase)
	case pod.DeletionTimestamp != nil:
		return wish{}, fmt.Errorf("pod %s is being deleted: resize the one that takes its place, if it needs it", cli.Quote(pod.Name))
	case e.Outcome == policy.Mutated:
		return wishOf(pod, subject, &e)
	case e.Outcome == policy.Compliant:
		return wish{}, nil
	default:
		return wish{}, fmt.Errorf("policy %s plans nothing for Pod %s (%s): %s", cli.Quote(e.Policy), cli.Quote(pod.Name), e.Outcome, e.Detail)
	}
}

// carryOut asks the cluster, and does what it can if that is wanted.
func (o *options) carryOut(ctx context.Context, s cli.Streams, z *resizer, w wish, r *result) error {
	r.Never = append(r.Never, w.never...)
	if len(w.changes) == 0 {
		return nil
	}
	volumes, memory, err := z.ask(ctx, &w)
	if err != nil {
		return err
	}
	if len(w.volumes(true)) > 0 && memory.Possible {
		if node := z.askNode(ctx); node != "" && volumes.Possible {
			volumes = feasibility{Why: node + ", so its kubelet would not do it"}
		} else if node != "" {
			volumes.Why += "; " + node
		}
	}
	r.enter(w.volumes(true), volumes)
	r.enter(w.volumes(false), memory)
	var todo []change
	if volumes.Possible {
		todo = append(todo, w.volumes(true)...)
	}
	if memory.Possible {
		todo = append(todo, w.volumes(false)...)
	}
	if o.dryRun.Value != "none" || len(todo) == 0 {
		return nil
	}
	return o.enforce(ctx, s, z, todo, r)
}

// enforce sends the changes and waits for the kubelet. A kubelet that cannot change a volume gets the
// memory alone.
func (o *options) enforce(ctx context.Context, s cli.Streams, z *resizer, todo []change, r *result) error {
	said := func(now outcome) {
		if now.Pending != notSeen {
			fmt.Fprintf(s.ErrOut, "the kubelet says %s: %s\n", now.Pending, human.Quote(now.Message, 300))
		}
	}
	after, err := z.send(ctx, todo, false, false)
	if err != nil {
		return err
	}
	out, err := z.await(ctx, todo, after.Generation, o.timeout, said)
	if err != nil {
		return err
	}
	memory := (&wish{changes: todo}).volumes(false)
	volumes := (&wish{changes: todo}).volumes(true)
	if out.Pending == corev1.PodReasonInfeasible && len(volumes) > 0 {
		r.refuse(volumes, "the kubelet says "+out.Pending+": "+out.Message)
		// As long as the volume is asked for, the memory is not raised either.
		after, err = z.send(ctx, volumes, true, false)
		if err != nil {
			return errors.Join(errors.New("the sizeLimit cannot be set back"), err)
		}
		if out, err = z.await(ctx, memory, after.Generation, o.timeout, said); err != nil {
			return err
		}
		todo = memory
	}
	r.Applied = &out
	switch {
	case len(todo) == 0:
		r.Applied = nil
	case out.Pending == corev1.PodReasonInfeasible:
		r.refuse(todo, "the kubelet says "+out.Pending+": "+out.Message)
		if _, err := z.send(ctx, todo, true, false); err != nil && !apierrors.IsInvalid(err) {
			return errors.Join(errors.New("what was asked for cannot be set back"), err)
		}
	}
	return nil
}

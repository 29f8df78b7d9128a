package rollout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// restartedAt is the annotation of the Pod template that kubectl rollout restart sets.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// restart has the controller create the Pods of a workload again, one after the other, as kubectl
// rollout restart does. With dryRun the API server checks the change and does not make it.
func (p *planner) restart(ctx context.Context, w *candidate, dryRun bool) error {
	object := newObject(w.workload)
	object.SetNamespace(w.workload.Namespace)
	object.SetName(w.workload.Name)
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{%q:%q}}}}}`, restartedAt, time.Now().Format(time.RFC3339))
	options := []client.PatchOption{client.FieldOwner("kubectl-rollout")}
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	err := p.cluster.Client.Patch(ctx, object, client.RawPatch(types.StrategicMergePatchType, []byte(patch)), options...)
	return p.cluster.Explain("restart "+w.workload.String(), err)
}

// pollInterval is how often a workload is looked at while it restarts.
const pollInterval = time.Second

// finish restarts a workload and waits until its Pods are new, ready and have what they lacked.
func (p *planner) finish(ctx context.Context, out io.Writer, w *candidate, timeout time.Duration) error {
	if err := p.restart(ctx, w, false); err != nil {
		return err
	}
	last := ""
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(ctx context.Context) (bool, error) {
		object := newObject(w.workload)
		if err := p.get(ctx, w.workload, object); err != nil {
			return false, err
		}
		s := statusOf(object)
		if s.failure != "" {
			return false, errors.New(s.failure)
		}
		if s.text != last {
			fmt.Fprintf(out, "%s: %s\n", w.workload, s.text)
			last = s.text
		}
		return !s.inProgress && s.isReady, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("not ready within %s: %s", timeout, last)
	}
	if err != nil {
		return err
	}
	return p.verify(ctx, w)
}

// verify returns an error if Pods of a workload still lack something.
func (p *planner) verify(ctx context.Context, w *candidate) error {
	owners, err := p.cluster.ReadOwners(ctx) // a Deployment has a new ReplicaSet
	if err != nil {
		return err
	}
	lacking, example := 0, ""
	err = p.cluster.EachPod(ctx, func(pod *corev1.Pod) error {
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || owners.Of(pod) != w.workload {
			return nil
		}
		if e := p.policies.Set.Evaluate(p.namespaces.Subject(pod)); lacks(&e) {
			lacking++
			example = fmt.Sprintf("Pod %q: %s", pod.Name, e.Detail)
		}
		return nil
	})
	if err == nil && lacking > 0 {
		return fmt.Errorf("%d new Pods still lack it, as if the webhook was not called (%s)", lacking, example)
	}
	return err
}

// status is how far a rollout is, as kubectl rollout status has it
// (k8s.io/kubectl/pkg/polymorphichelpers).
type status struct {
	// inProgress reports whether not all Pods are of the latest template yet, and isReady whether as
	// many as there should be are available.
	inProgress, isReady bool
	text                string
	// failure is why it will not get further on its own.
	failure string
}

func statusOf(object client.Object) status {
	var want, updated, all, available int32
	var observed int64
	var s status
	switch o := object.(type) {
	case *appsv1.Deployment:
		want, updated, all, available, observed = replicas(o.Spec.Replicas), o.Status.UpdatedReplicas, o.Status.Replicas, o.Status.AvailableReplicas, o.Status.ObservedGeneration
		for _, c := range o.Status.Conditions {
			if c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" && observed >= o.Generation {
				s.failure = "it exceeded its progress deadline: " + c.Message
			}
		}
	case *appsv1.StatefulSet:
		want, updated, all, available, observed = replicas(o.Spec.Replicas), o.Status.UpdatedReplicas, o.Status.Replicas, o.Status.AvailableReplicas, o.Status.ObservedGeneration
		if o.Status.UpdateRevision == o.Status.CurrentRevision {
			updated = all
		}
	case *appsv1.DaemonSet:
		want, updated, available, observed = o.Status.DesiredNumberScheduled, o.Status.UpdatedNumberScheduled, o.Status.NumberAvailable, o.Status.ObservedGeneration
		all = want
	}
	s.inProgress = observed < object.GetGeneration() || updated < want || all > updated
	s.isReady = available >= want
	s.text = fmt.Sprintf("%d of %d Pods are new, %d are available", min(updated, want), want, available)
	if observed < object.GetGeneration() {
		s.text = "its controller has not seen the change yet"
	}
	return s
}

// replicas returns how many Pods a workload is to have; nil is 1.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

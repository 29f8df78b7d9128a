package resize

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// gate is the feature gate of API servers and kubelets that lets a resize change the sizeLimit of a
// Memory emptyDir: alpha and off by default in Kubernetes 1.37 (KEP-6030; pkg/features in
// k8s.io/kubernetes). A node that has it on says so in status.declaredFeatures.
const gate = "InPlacePodVerticalScalingMemoryBackedVolumes"

// feasibility says whether a cluster can make one group of changes.
type feasibility struct {
	// Possible reports whether the API server takes them. Why says why not, and ends in what to do.
	Possible bool   `json:"possible"`
	Why      string `json:"why,omitempty"`
}

// resizer asks an API server to resize one Pod.
type resizer struct {
	client client.Client
	pod    *corev1.Pod
}

// send sends the changes, and returns the Pod as the API server has it then. It changes nothing in a
// dry run.
func (r *resizer) send(ctx context.Context, changes []change, back, dry bool) (*corev1.Pod, error) {
	patch, err := patchOf(r.pod, changes, back)
	if err != nil {
		return nil, err
	}
	options := &client.SubResourcePatchOptions{}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	out := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: r.pod.Namespace, Name: r.pod.Name}}
	err = r.client.SubResource("resize").Patch(ctx, out, client.RawPatch(types.StrategicMergePatchType, patch), options)
	return out, err
}

// ask asks by dry runs whether the API server takes the changes of volumes and of memory. A volume
// is not enlarged without the memory that it costs.
func (r *resizer) ask(ctx context.Context, w *wish) (volumes, memory feasibility, err error) {
	volumes, memory = feasibility{Possible: true}, feasibility{Possible: true}
	if len(w.volumes(false)) > 0 {
		if _, err := r.send(ctx, w.volumes(false), false, true); err != nil {
			memory, err = refusal(err)
			return feasibility{Why: "it is not enlarged without the memory that it costs"}, memory, err
		}
	}
	if len(w.volumes(true)) == 0 {
		return volumes, memory, nil
	}
	all, err := r.send(ctx, w.changes, false, true)
	if err != nil {
		volumes, err = refusal(err)
		return volumes, memory, err
	}
	if ignored := ignoredVolumes(all, w.volumes(true)); len(ignored) > 0 {
		volumes = feasibility{Why: fmt.Sprintf("the API server leaves the sizeLimit as it is: its feature gate %s (alpha in Kubernetes 1.37) is off or not known to it", gate)}
	}
	return volumes, memory, nil
}

// ignoredVolumes returns the volumes whose sizeLimit is not what was asked for.
func ignoredVolumes(got *corev1.Pod, want []change) []string {
	var out []string
	for i := range want {
		at := slices.IndexFunc(got.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == want[i].Volume })
		if at < 0 || got.Spec.Volumes[at].EmptyDir == nil || got.Spec.Volumes[at].EmptyDir.SizeLimit == nil || got.Spec.Volumes[at].EmptyDir.SizeLimit.Cmp(want[i].To) != 0 {
			out = append(out, want[i].Volume)
		}
	}
	return out
}

// refusal returns why the API server does not take a resize. An error that is not one of its decisions
// stays one.
func refusal(err error) (feasibility, error) {
	text := human.Quote(err.Error(), 500)
	switch {
	case apierrors.IsNotFound(err):
		return feasibility{Why: "the API server has no pods/resize: it is older than Kubernetes 1.33, or its feature gate InPlacePodVerticalScaling is off (" + text + ")"}, nil
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot patch resource"):
		return feasibility{Why: "you may not do it: ask for the right to patch pods/resize in this namespace (" + text + ")"}, nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err):
		return feasibility{Why: "the API server rejects it: " + text}, nil
	default:
		return feasibility{}, err
	}
}

// askNode says what the node of a Pod has declared, if the user may read it; empty if it is not
// known.
func (r *resizer) askNode(ctx context.Context) string {
	var node corev1.Node
	if err := r.client.Get(ctx, client.ObjectKey{Name: r.pod.Spec.NodeName}, &node); err != nil {
		return "" // the dry run says the same, less clearly
	}
	if slices.Contains(node.Status.DeclaredFeatures, gate) {
		return ""
	}
	return fmt.Sprintf("node %q (kubelet %s) does not declare the feature %s", node.Name, node.Status.NodeInfo.KubeletVersion, gate)
}

// notSeen is that the kubelet has not looked at a resize yet.
const notSeen = "NotSeen"

// outcome is how a kubelet answered a resize.
type outcome struct {
	// Done reports whether all of it is in force. Pending and Message say what the kubelet says
	// if not: Deferred, Infeasible, Error, or InProgress.
	Done    bool   `json:"done"`
	Pending string `json:"pending,omitempty"`
	Message string `json:"message,omitempty"`
}

// await waits for the kubelet to have carried out a resize, or to say that it never will. said is
// called with what it says meanwhile, when that changes.
func (r *resizer) await(ctx context.Context, changes []change, generation int64, timeout time.Duration, said func(outcome)) (outcome, error) {
	var last outcome
	pod := &corev1.Pod{}
	err := wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		if err := r.client.Get(ctx, client.ObjectKeyFromObject(r.pod), pod); err != nil {
			return false, err
		}
		if pod.UID != r.pod.UID {
			return false, fmt.Errorf("pod %q was replaced by another of its name meanwhile", pod.Name)
		}
		now := outcomeOf(pod, changes, generation)
		if now != last && !now.Done {
			said(now)
		}
		last = now
		return now.Done || now.Pending == corev1.PodReasonInfeasible, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return last, nil // the time is over, and last says what it waits for
	}
	return last, err
}

// outcomeOf reads from a Pod's status how far a resize is.
func outcomeOf(pod *corev1.Pod, changes []change, generation int64) outcome {
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch {
		case c.ObservedGeneration != 0 && c.ObservedGeneration < generation: // about an earlier resize
		case c.Type == corev1.PodResizePending:
			return outcome{Pending: c.Reason, Message: c.Message}
		case c.Type == corev1.PodResizeInProgress:
			pending := c.Reason
			if pending == "" {
				pending = "InProgress"
			}
			return outcome{Pending: pending, Message: c.Message}
		}
	}
	if observed := pod.Status.ObservedGeneration; observed != 0 && observed < generation {
		return outcome{Pending: notSeen, Message: "the kubelet has not looked at it yet"}
	}
	for i := range changes {
		if what := unmet(pod, &changes[i]); what != "" {
			return outcome{Pending: "InProgress", Message: what}
		}
	}
	return outcome{Done: true}
}

// unmet says what a container that runs has instead of what was asked for; empty if it has that,
// or does not run: then it gets it when it starts.
func unmet(pod *corev1.Pod, c *change) string {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range list {
			s := &list[i]
			if c.Container == "" || s.Name != c.Container || s.State.Running == nil || s.Resources == nil {
				continue
			}
			figures := s.Resources.Limits
			if c.Field == request {
				figures = s.Resources.Requests
			}
			if got, ok := figures[corev1.ResourceMemory]; ok && got.Cmp(c.To) != 0 {
				return fmt.Sprintf("container %q still has %s %s", s.Name, c.Field, got.String())
			}
		}
	}
	return ""
}

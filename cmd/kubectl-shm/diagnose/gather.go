package diagnose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// newReport returns what the Pod itself says.
func newReport(pod *corev1.Pod, now time.Time) report {
	r := report{
		Namespace: pod.Namespace, Pod: pod.Name, Node: pod.Spec.NodeName,
		Volumes: []volume{}, Containers: []container{}, Events: []event{}, Now: []remedy{}, ForGood: []remedy{}, Notes: []string{},
	}
	if pod.Status.StartTime != nil {
		r.running = now.Sub(pod.Status.StartTime.Time)
		r.Running = int64(r.running / time.Second)
	}
	specs := map[string]*corev1.Container{}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			specs[list[i].Name] = &list[i]
		}
	}
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			c := containerOf(&list[i], now)
			if spec := specs[c.Name]; spec != nil {
				c.memoryLimit = sizing.BytesOf(spec.Resources.Limits[corev1.ResourceMemory])
			}
			r.Containers = append(r.Containers, c)
		}
	}
	return r
}

func containerOf(s *corev1.ContainerStatus, now time.Time) container {
	c := container{Name: s.Name, Restarts: s.RestartCount, State: "running"}
	switch {
	case s.State.Waiting != nil:
		c.State = cmp.Or(s.State.Waiting.Reason, "waiting")
	case s.State.Terminated != nil:
		c.State = "ended: " + s.State.Terminated.Reason
	case s.State.Running == nil:
		c.State = "unknown"
	}
	for _, ended := range []*corev1.ContainerStateTerminated{s.LastTerminationState.Terminated, s.State.Terminated} {
		if ended != nil {
			c.LastEnd = fmt.Sprintf("%s (exit code %d)", ended.Reason, ended.ExitCode)
			c.sinceLast = now.Sub(ended.FinishedAt.Time)
			c.killed = killOf(ended)
		}
	}
	return c
}

func killOf(ended *corev1.ContainerStateTerminated) killed {
	const sigkill = 128 + 9
	switch {
	case ended.Reason == "OOMKilled":
		return oomKilled
	case ended.ExitCode == sigkill:
		return sigkilled
	default:
		return notKilled
	}
}

// look reads the volumes and what is in them. It fails only if the user has no right to.
func (r *report) look(ctx context.Context, reader *inspect.Reader, pod *corev1.Pod, e inspect.Ephemeral) error {
	for _, m := range reader.Pod(ctx, pod, e) {
		v := volume{Volume: m.Volume, MountPath: m.Path, Container: m.Container, SizeLimit: m.SizeLimit, mount: m.Mount}
		if m.Err != nil {
			if apierrors.IsForbidden(m.Err) || ctx.Err() != nil {
				return errors.Join(m.Err, ctx.Err())
			}
			v.Error, v.err = m.Err.Error(), m.Err
			r.Volumes = append(r.Volumes, v)
			continue
		}
		v.Size, v.Used, v.Inodes, v.MemoryLimit = m.Usage.Size, m.Usage.Used, m.Usage.Inodes, inspect.MemoryLimit(pod, m.Mount)
		if m.Memory != nil {
			v.MemoryUsed = m.Memory.Used
			v.MemoryLimit = cmp.Or(m.Memory.Limit, v.MemoryLimit)
		}
		r.list(ctx, reader, pod, &v)
		v.ToFill = v.toFill()
		r.Volumes = append(r.Volumes, v)
	}
	return nil
}

// maxPatterns is how many lines people get about one volume.
const maxPatterns = 12

// list reads what is in a volume.
func (r *report) list(ctx context.Context, reader *inspect.Reader, pod *corev1.Pod, v *volume) {
	l, err := reader.Files(ctx, inspect.Target{Namespace: pod.Namespace, Pod: pod.Name, Container: v.Container}, v.MountPath)
	switch {
	case err != nil:
		r.Notes = append(r.Notes, fmt.Sprintf("what is in %s could not be listed: %v", v.name(), err))
		return
	case len(l.Missing) > 0:
		r.Notes = append(r.Notes, fmt.Sprintf("what is in %s could not be listed: container %q has no %s: look from one that has, with --allow-ephemeral-container", v.name(), v.Container, cli.Plain(l.Missing[0])))
		return
	}
	known := l.Learn(r.running)
	v.Learned = &known
	v.OldestSeconds = new(int64(known.Oldest / time.Second))
	if d, ok := known.FullIn(v.Size.Minus(v.Used)); ok && !v.isFull() {
		v.FullIn = new(int64(d / time.Second))
	}
	if v.isFull() && known.Written >= 0 {
		v.FullSince = new(int64(known.Written / time.Second))
	}
	for i := range l.Patterns {
		p := &l.Patterns[i]
		mean := sizing.Bytes(0)
		if written := p.Files - p.Empty; written > 0 {
			mean = p.Content / sizing.Bytes(written)
		}
		v.Patterns = append(v.Patterns, pattern{
			Name: p.Name, Files: p.Files, Empty: p.Empty, Pages: p.Pages, MeanSize: mean,
			OldestSeconds: int64(p.Oldest / time.Second), NewestSeconds: int64(p.Newest / time.Second),
		})
	}
	if more := len(v.Patterns) - maxPatterns; more > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s has files of %d more kinds of names, which use less", v.name(), more))
		v.Patterns = v.Patterns[:maxPatterns]
	}
}

// toFill returns what the memory cgroup is charged for filling the rest with files like those there
// are.
func (v *volume) toFill() sizing.Bytes {
	free := v.Size.Minus(v.Used)
	if v.Learned == nil || v.Learned.FileSize == 0 {
		return sizing.Cost(free, page)
	}
	return sizing.Requirement{Required: v.Size, FileSize: v.Learned.FileSize}.Size(sizing.Bounds{Min: sizing.MiB, Max: v.Size.RoundUp(sizing.MiB)}).MemoryCostOf(free)
}

// addPolicy adds the policy that matches the Pod, or the one of the library that would.
func (o *options) addPolicy(ctx context.Context, c *live.Cluster, s cli.Streams, r *report, pod *corev1.Pod) error {
	namespaces, err := c.ReadNamespaces(ctx)
	if err != nil {
		return err
	}
	subject := namespaces.Subject(pod)
	policies, err := o.policies.Load(ctx, c, s.In)
	if err != nil {
		if o.givenPolicies() || ctx.Err() != nil {
			return err
		}
		r.Notes = append(r.Notes, fmt.Sprintf("the cluster's policies are not known: %v", err))
	} else if e := policies.Set.Evaluate(subject); e.Outcome != policy.NotMatched {
		r.Policy = fitOf(&e, true)
	}
	if r.Policy == nil {
		library, err := policyfile.Load(nil, nil)
		if err != nil {
			return err
		}
		compiled := make([]policy.Policy, len(library))
		for i := range library {
			compiled[i] = library[i].Compiled
		}
		if e := policy.NewSet(compiled...).Evaluate(subject); e.Outcome != policy.NotMatched {
			r.Policy = fitOf(&e, false)
		}
	}
	if r.Policy != nil {
		r.Policy.NamespaceMode, _ = namespaces.Mode(pod.Namespace)
	}
	return nil
}

func fitOf(e *policy.Evaluation, installed bool) *fit {
	return &fit{Name: e.Policy, Installed: installed, Outcome: e.Outcome, Detail: e.Detail, SizeLimit: e.Size.Limit, Mode: e.Mode, size: e.Size}
}

// telling are the reasons of events that say what happened to containers, volumes and resizes.
var telling = []string{
	"BackOff", "Evicted", "Failed", "FailedMount", "Killing", "NodeNotReady", "OOMKilling", "Preempting", "ResizeCompleted", "ResizeDeferred", "ResizeError",
	"ResizeInfeasible", "ResizeStarted", "SystemOOM", "Unhealthy",
}

// maxEvents is how many of the latest events are shown.
const maxEvents = 8

// addEvents adds the latest events about the Pod.
func (r *report) addEvents(ctx context.Context, c client.Client, pod *corev1.Pod, now time.Time) {
	var list corev1.EventList
	err := c.List(ctx, &list, client.InNamespace(pod.Namespace), client.MatchingFields{"involvedObject.uid": string(pod.UID)}, client.Limit(500))
	if err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("events are not known: %v", err))
		return
	}
	for i := range list.Items {
		e := &list.Items[i]
		if !slices.Contains(telling, e.Reason) {
			continue
		}
		r.Events = append(r.Events, event{AgeSeconds: int64(now.Sub(timeOf(e)) / time.Second), Type: e.Type, Reason: e.Reason, Message: e.Message, Count: e.Count})
	}
	slices.SortStableFunc(r.Events, func(a, b event) int { return cmp.Compare(a.AgeSeconds, b.AgeSeconds) })
	r.Events = r.Events[:min(len(r.Events), maxEvents)]
}

// timeOf returns when an event happened last.
func timeOf(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	default:
		return e.CreationTimestamp.Time
	}
}

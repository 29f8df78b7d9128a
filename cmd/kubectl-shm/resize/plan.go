package resize

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apply "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/policy"
)

// change is one figure of a Pod that a resize sets.
type change struct {
	// Volume is the name of the volume whose sizeLimit it is, and Container that of the container
	// whose memory it is. Both are empty for the memory of the Pod as a whole.
	Volume    string `json:"volume,omitempty"`
	Container string `json:"container,omitempty"`
	// Field is sizeLimit, limits.memory or requests.memory.
	Field string `json:"field"`
	// From is nil if there is no such figure yet.
	From *resource.Quantity `json:"from"`
	To   resource.Quantity  `json:"to"`

	sidecar bool
}

const (
	sizeLimit = "sizeLimit"
	limit     = "limits.memory"
	request   = "requests.memory"
)

// of says whose figure it is, for people.
func (c *change) of() string {
	switch {
	case c.Volume != "":
		return "volume " + cli.Plain(c.Volume) + ": " + c.Field
	case c.Container != "":
		return "container " + cli.Plain(c.Container) + ": " + c.Field
	default:
		return "the Pod: " + c.Field
	}
}

// wish is what a policy gives a Pod.
type wish struct {
	// changes can be asked for in place.
	changes []change
	// never are sentences about what no cluster can change in a Pod that is there.
	never []string
}

// volumes returns the changes that are about volumes, or all the others.
func (w *wish) volumes(want bool) []change {
	return slices.DeleteFunc(slices.Clone(w.changes), func(c change) bool { return (c.Volume != "") != want })
}

// wishOf returns what the plan of an evaluation changes in a Pod.
func wishOf(pod *corev1.Pod, subject policy.Subject, e *policy.Evaluation) (wish, error) {
	after, err := planned(pod, e.Plan.Patch(subject))
	if err != nil {
		return wish{}, fmt.Errorf("apply what policy %s plans to Pod %s: %w", cli.Quote(e.Policy), cli.Quote(pod.Name), err)
	}
	var w wish
	w.compareVolumes(&pod.Spec, &after.Spec)
	w.compareMemory("", pod.Spec.Resources, after.Spec.Resources)
	for i := range pod.Spec.Containers {
		before, now := &pod.Spec.Containers[i], &after.Spec.Containers[i]
		w.compareMounts(before, now)
		w.compareMemory(before.Name, &before.Resources, &now.Resources)
	}
	for i := range pod.Spec.InitContainers {
		before, now := &pod.Spec.InitContainers[i], &after.Spec.InitContainers[i]
		if before.RestartPolicy == nil || *before.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			continue // it has run, and its memory is not needed again
		}
		w.compareMounts(before, now)
		first := len(w.changes)
		w.compareMemory(before.Name, &before.Resources, &now.Resources)
		for i := range w.changes[first:] {
			w.changes[first+i].sidecar = true
		}
	}
	return w, nil
}

// planned returns the Pod with a JSON patch applied.
func planned(pod *corev1.Pod, operations any) (*corev1.Pod, error) {
	before, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(operations)
	if err != nil {
		return nil, err
	}
	patch, err := apply.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	after, err := patch.Apply(before)
	if err != nil {
		return nil, err
	}
	var out corev1.Pod
	if err := json.Unmarshal(after, &out); err != nil {
		return nil, err
	}
	if len(out.Spec.Containers) != len(pod.Spec.Containers) || len(out.Spec.InitContainers) != len(pod.Spec.InitContainers) {
		return nil, errors.New("the number of containers changes")
	}
	return &out, nil
}

func (w *wish) compareVolumes(before, after *corev1.PodSpec) {
	for i := range after.Volumes {
		now := &after.Volumes[i]
		at := slices.IndexFunc(before.Volumes, func(v corev1.Volume) bool { return v.Name == now.Name })
		switch {
		case at < 0:
			w.never = append(w.never, fmt.Sprintf("volume %s: it has to be added, and a Pod that is there gets no volume", cli.Quote(now.Name)))
		case now.EmptyDir == nil || now.EmptyDir.SizeLimit == nil:
		case before.Volumes[at].EmptyDir == nil:
		case before.Volumes[at].EmptyDir.SizeLimit == nil || before.Volumes[at].EmptyDir.SizeLimit.IsZero():
			w.never = append(w.never, fmt.Sprintf("volume %s: it has no sizeLimit, and a Pod that is there gets none", cli.Quote(now.Name)))
		case before.Volumes[at].EmptyDir.SizeLimit.Cmp(*now.EmptyDir.SizeLimit) != 0:
			w.changes = append(w.changes, change{Volume: now.Name, Field: sizeLimit, From: before.Volumes[at].EmptyDir.SizeLimit, To: *now.EmptyDir.SizeLimit})
		}
	}
}

func (w *wish) compareMounts(before, after *corev1.Container) {
	for i := range after.VolumeMounts {
		m := &after.VolumeMounts[i]
		if !slices.ContainsFunc(before.VolumeMounts, func(b corev1.VolumeMount) bool { return b.Name == m.Name && b.MountPath == m.MountPath }) {
			w.never = append(w.never, fmt.Sprintf("container %s: volume %s has to be mounted at %s, and a container that is there gets no mount", cli.Quote(before.Name), cli.Quote(m.Name), cli.Quote(m.MountPath)))
		}
	}
}

// compareMemory adds the memory that changes: of a container, or of the Pod as a whole.
func (w *wish) compareMemory(container string, before, after *corev1.ResourceRequirements) {
	if after == nil {
		return
	}
	if before == nil {
		before = &corev1.ResourceRequirements{}
	}
	for _, list := range []struct {
		field       string
		before, now corev1.ResourceList
	}{{limit, before.Limits, after.Limits}, {request, before.Requests, after.Requests}} {
		to, wanted := list.now[corev1.ResourceMemory]
		from, had := list.before[corev1.ResourceMemory]
		if !wanted || had && from.Cmp(to) == 0 {
			continue
		}
		c := change{Container: container, Field: list.field, To: to}
		if had {
			c.From = &from
		}
		w.changes = append(w.changes, c)
	}
}

// patchOf returns the strategic merge patch of a Pod's resize that sets so much, and only while it is
// the same Pod. back sets what was there before instead.
func patchOf(pod *corev1.Pod, changes []change, back bool) ([]byte, error) {
	spec := map[string]any{}
	containers := map[string]map[string]any{}
	for i := range changes {
		c := &changes[i]
		to := c.To.String()
		if back {
			to = c.From.String()
		}
		if c.Volume != "" {
			volumes, _ := spec["volumes"].([]any) // nil at first
			spec["volumes"] = append(volumes, map[string]any{"name": c.Volume, "emptyDir": map[string]any{"sizeLimit": to}})
			continue
		}
		holder := spec
		if c.Container != "" {
			if containers[c.Container] == nil {
				containers[c.Container] = map[string]any{"name": c.Container}
				list := "containers"
				if c.sidecar {
					list = "initContainers"
				}
				of, _ := spec[list].([]any) // nil at first
				spec[list] = append(of, containers[c.Container])
			}
			holder = containers[c.Container]
		}
		resources, ok := holder["resources"].(map[string]map[string]string)
		if !ok {
			resources = map[string]map[string]string{}
			holder["resources"] = resources
		}
		kind := "limits"
		if c.Field == request {
			kind = "requests"
		}
		resources[kind] = map[string]string{"memory": to}
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "spec": spec})
}

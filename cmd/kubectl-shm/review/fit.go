package review

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	apply "github.com/evanphx/json-patch/v5"
	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// fitting makes a patch for a Pod as a cluster has it fit the object as it is written. A cluster
// fills in metadata, and limits and requests by LimitRanges, that the written object may lack.
type fitting struct {
	root string // the JSON pointer to the Pod or template
	text []byte // the object as it is with ops
	ops  []jsonpatch.Operation
	pod  *policy.PodView // the Pod as it is with ops
}

func newFitting(w workload) (*fitting, error) {
	f := &fitting{root: w.subject.Pointer, text: w.object.JSON}
	err := f.decode()
	return f, err
}

// apply carries out operations, each fitted to what is there.
func (f *fitting) apply(ops []jsonpatch.Operation) error {
	if len(ops) == 0 {
		return nil
	}
	for _, op := range ops {
		fitted, err := f.fit(op)
		if err != nil {
			return err
		}
		if err := f.applyOne(fitted); err != nil {
			return err
		}
	}
	return f.decode()
}

// fit returns an operation that has the same effect on the object as it is: one that makes the
// maps on the way to its place that are not there.
func (f *fitting) fit(op jsonpatch.Operation) (jsonpatch.Operation, error) {
	var at any
	if err := json.Unmarshal(f.text, &at); err != nil {
		return op, fmt.Errorf("read the object again: %w", err)
	}
	steps := strings.Split(op.Path, "/")[1:]
	for i, step := range steps {
		next, found := stepInto(at, unescape(step))
		if found && next != nil || i == len(steps)-1 {
			at = next
			if i == len(steps)-1 && next == nil {
				op.Operation = "add"
			}
			continue
		}
		value := op.Value
		for _, key := range slices.Backward(steps[i+1:]) {
			value = map[string]any{unescape(key): value}
		}
		return jsonpatch.NewOperation("add", "/"+strings.Join(steps[:i+1], "/"), value), nil
	}
	return op, nil
}

func unescape(step string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
}

// stepInto returns what a step of a JSON pointer leads to.
func stepInto(at any, step string) (next any, found bool) {
	switch at := at.(type) {
	case map[string]any:
		next, found = at[step]
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(at) {
			return at[i], true
		}
	}
	return next, found
}

func (f *fitting) applyOne(op jsonpatch.Operation) error {
	text, err := json.Marshal([]jsonpatch.Operation{op})
	if err != nil {
		return fmt.Errorf("write the patch: %w", err)
	}
	patch, err := apply.DecodePatch(text)
	if err != nil {
		return fmt.Errorf("read the patch: %w", err)
	}
	if f.text, err = patch.Apply(f.text); err != nil {
		return fmt.Errorf("apply %s %s: %w", op.Operation, op.Path, err)
	}
	f.ops = append(f.ops, op)
	return nil
}

// decode reads the Pod.
func (f *fitting) decode() error {
	at := json.RawMessage(f.text)
	for _, step := range strings.Split(f.root, "/")[1:] {
		var err error
		if at, err = rawStep(at, unescape(step)); err != nil {
			return fmt.Errorf("read %s of the object again: %w", f.root, err)
		}
	}
	f.pod = &policy.PodView{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(at, f.pod); err != nil {
		return fmt.Errorf("read the Pod again: %w", err)
	}
	return nil
}

func rawStep(at json.RawMessage, step string) (json.RawMessage, error) {
	if i, err := strconv.Atoi(step); err == nil {
		var list []json.RawMessage
		if json.Unmarshal(at, &list) == nil && i >= 0 && i < len(list) {
			return list[i], nil
		}
	}
	var fields map[string]json.RawMessage
	err := json.Unmarshal(at, &fields)
	return fields[step], err
}

// keepRequests writes the memory request that a LimitRange gives a container whose limit is now
// written: without one an API server would make the limit the request.
func (f *fitting) keepRequests(admitted policy.Subject) error {
	var ops []jsonpatch.Operation
	lists := [...]struct {
		name          string
		now, admitted []policy.ContainerView
	}{
		{"initContainers", f.pod.Spec.InitContainers, admitted.Pod.Spec.InitContainers},
		{"containers", f.pod.Spec.Containers, admitted.Pod.Spec.Containers},
	}
	for _, list := range lists {
		for i := range list.now {
			limit, request := limitOf(list.now[i].Resources), requestOf(list.now[i].Resources)
			given := requestOf(list.admitted[i].Resources)
			if limit == nil || request != nil || given == nil || given.Cmp(*limit) == 0 {
				continue
			}
			at := fmt.Sprintf("%s/spec/%s/%d/resources/requests/memory", f.root, list.name, i)
			ops = append(ops, jsonpatch.NewOperation("add", at, given.String()))
		}
	}
	if len(f.ops) == 0 {
		return nil // nothing changes
	}
	return f.apply(ops)
}

// limitOf returns the memory limit; nil if there is none.
func limitOf(r *corev1.ResourceRequirements) *resource.Quantity {
	if r == nil {
		return nil
	}
	return memoryOf(r.Limits)
}

// requestOf returns the memory request; nil if there is none.
func requestOf(r *corev1.ResourceRequirements) *resource.Quantity {
	if r == nil {
		return nil
	}
	return memoryOf(r.Requests)
}

func memoryOf(list corev1.ResourceList) *resource.Quantity {
	if q, found := list[corev1.ResourceMemory]; found {
		return &q
	}
	return nil
}

// volumeAt returns the Memory emptyDir that a container mounts at a path; nil if there is none.
func volumeAt(pod *policy.PodView, c *policy.ContainerView, at string) *corev1.EmptyDirVolumeSource {
	for _, m := range c.VolumeMounts {
		if path.Clean("/"+m.MountPath) != at {
			continue
		}
		for _, v := range pod.Spec.Volumes {
			if v.Name == m.Name && v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory {
				return v.EmptyDir
			}
		}
	}
	return nil
}

// sizeOf returns the sizeLimit of a volume; 0 for none.
func sizeOf(volume *corev1.EmptyDirVolumeSource) sizing.Bytes {
	if volume.SizeLimit == nil {
		return 0
	}
	return sizing.BytesOf(*volume.SizeLimit)
}

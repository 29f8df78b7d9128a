package reviewer

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// fitting makes a patch for a Pod as a cluster has it fit the object as it is written. A cluster
// fills in metadata, and limits and requests by LimitRanges, that the written object may lack.
type fitting struct {
	root string // the JSON pointer to the Pod or template
	tree any    // the object as it is with ops
	ops  []jsonpatch.Operation
}

// newFitting returns the fitting of an object in JSON.
func newFitting(root string, text []byte) (*fitting, error) {
	f := &fitting{root: root}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &f.tree); err != nil {
		return nil, fmt.Errorf("read the object again: %w", err)
	}
	return f, nil
}

// at returns what a JSON pointer leads to in the object as it is with ops; nil for nothing.
func (f *fitting) at(pointer string) any {
	at := f.tree
	for _, step := range strings.Split(pointer, "/")[1:] {
		at = child(at, step)
	}
	return at
}

// apply carries out operations, each fitted to what is there.
func (f *fitting) apply(ops []jsonpatch.Operation) error {
	for _, op := range ops {
		op = fit(f.tree, op)
		value, err := plain(op.Value)
		if err == nil {
			f.tree, err = put(f.tree, strings.Split(op.Path, "/")[1:], value, op.Operation == "add")
		}
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", op.Operation, op.Path, err)
		}
		f.ops = append(f.ops, op)
	}
	return nil
}

// plain returns a value as JSON has it: maps, lists and scalars of their own.
func plain(value any) (out any, err error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("write the value: %w", err)
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &out); err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	return out, nil
}

// put returns a tree with a value at the place that steps lead to, as RFC 6902 has it: add inserts into a list
// and replace does not. The tree is changed.
func put(at any, steps []string, value any, add bool) (any, error) {
	last := len(steps) == 1
	switch at := at.(type) {
	case map[string]any:
		key := unescape(steps[0])
		if !last {
			inner, err := put(at[key], steps[1:], value, add)
			if err != nil {
				return nil, err
			}
			value = inner
		}
		at[key] = value
		return at, nil
	case []any:
		if last && add && steps[0] == "-" {
			return append(at, value), nil
		}
		i, err := strconv.Atoi(steps[0])
		if err != nil || i < 0 || i >= len(at) {
			return nil, fmt.Errorf("%q is not an index of a list of %d", steps[0], len(at))
		}
		if last && add {
			return slices.Insert(at, i, value), nil
		}
		if !last {
			if value, err = put(at[i], steps[1:], value, add); err != nil {
				return nil, err
			}
		}
		at[i] = value
		return at, nil
	}
	return nil, fmt.Errorf("there is nothing that could have %q", steps[0])
}

// fit returns an operation that has the same effect on an object as it is: one that makes the
// maps on the way to its place that are not there.
func fit(at any, op jsonpatch.Operation) jsonpatch.Operation {
	steps := strings.Split(op.Path, "/")[1:]
	for i, step := range steps {
		at = child(at, step)
		switch {
		case at != nil:
		case i == len(steps)-1:
			op.Operation = "add"
		default:
			value := op.Value
			for _, key := range slices.Backward(steps[i+1:]) {
				value = map[string]any{unescape(key): value}
			}
			return jsonpatch.NewOperation("add", "/"+strings.Join(steps[:i+1], "/"), value)
		}
	}
	return op
}

func unescape(step string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
}

// child returns what a step of a JSON pointer leads to; nil for nothing.
func child(at any, step string) any {
	switch at := at.(type) {
	case map[string]any:
		return at[unescape(step)]
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(at) {
			return at[i]
		}
	}
	return nil
}

// pod returns the Pod as it is with ops.
func (f *fitting) pod() (*policy.PodView, error) {
	pod := &policy.PodView{}
	return pod, decodeTree(f.at(f.root), pod)
}

// decodeTree decodes a part of an object into a type.
func decodeTree(at, into any) error {
	text, err := json.Marshal(at)
	if err == nil {
		err = kjson.UnmarshalCaseSensitivePreserveInts(text, into)
	}
	if err != nil {
		return fmt.Errorf("read the Pod again: %w", err)
	}
	return nil
}

// keepRequests writes the memory request that a LimitRange gives a container whose limit is now
// written: without one an API server would make the limit the request.
func (f *fitting) keepRequests(admitted policy.Subject) error {
	pod, err := f.pod()
	if err != nil || len(f.ops) == 0 {
		return err // or nothing changes
	}
	var ops []jsonpatch.Operation
	for _, list := range [...]struct {
		name          string
		now, admitted []policy.ContainerView
	}{
		{"initContainers", pod.Spec.InitContainers, admitted.Pod.Spec.InitContainers},
		{"containers", pod.Spec.Containers, admitted.Pod.Spec.Containers},
	} {
		for i := range list.now {
			limit, request := memoryOf(list.now[i].Resources)
			_, given := memoryOf(list.admitted[i].Resources)
			if limit != nil && request == nil && given != nil && given.Cmp(*limit) != 0 {
				at := fmt.Sprintf("%s/spec/%s/%d/resources/requests/memory", f.root, list.name, i)
				ops = append(ops, jsonpatch.NewOperation("add", at, given.String()))
			}
		}
	}
	return f.apply(ops)
}

// memoryOf returns the memory limit and request; nil for none.
func memoryOf(r *corev1.ResourceRequirements) (limit, request *resource.Quantity) {
	if r == nil {
		return nil, nil
	}
	if q, found := r.Limits[corev1.ResourceMemory]; found {
		limit = &q
	}
	if q, found := r.Requests[corev1.ResourceMemory]; found {
		request = &q
	}
	return limit, request
}

// volumeAt returns the sizeLimit of the Memory emptyDir that a container mounts at a path, 0 for none;
// found is false if it mounts no such volume.
func volumeAt(pod *policy.PodView, c *policy.ContainerView, at string) (size sizing.Bytes, found bool) {
	for _, m := range c.VolumeMounts {
		for _, v := range pod.Spec.Volumes {
			if path.Clean("/"+m.MountPath) == at && v.Name == m.Name && v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory {
				if v.EmptyDir.SizeLimit != nil {
					size = sizing.BytesOf(*v.EmptyDir.SizeLimit)
				}
				return size, true
			}
		}
	}
	return 0, false
}

// WithoutRecord returns operations on an object without those that record, in annotations of the Pod or template that a
// pointer leads to, what was done.
func WithoutRecord(ops []jsonpatch.Operation, pointer string) []jsonpatch.Operation {
	isRecord := func(key string) bool {
		return key == v1alpha1.AnnotationInjected || key == v1alpha1.AnnotationPolicy
	}
	var out []jsonpatch.Operation
	for _, op := range ops {
		rest, found := strings.CutPrefix(op.Path, pointer+"/metadata")
		steps := strings.Split(rest, "/")[1:]
		switch value := op.Value.(type) {
		case string:
			if found && len(steps) == 2 && isRecord(unescape(steps[1])) {
				continue
			}
		default:
			if kept, empty := withoutRecord(value, isRecord); found && empty {
				continue
			} else if found {
				op.Value = kept
			}
		}
		out = append(out, op)
	}
	return out
}

// withoutRecord returns a value without the keys that are of the record, in it and in what is in it, and
// whether nothing else was in it.
func withoutRecord(value any, isRecord func(string) bool) (kept any, empty bool) {
	var fields map[string]any
	switch value := value.(type) {
	case map[string]any:
		fields = value
	case map[string]string:
		fields = map[string]any{}
		for key, text := range value {
			fields[key] = text
		}
	default:
		return value, false
	}
	out := map[string]any{}
	for key, field := range fields {
		if isRecord(key) {
			continue
		}
		if inner, empty := withoutRecord(field, isRecord); !empty {
			out[key] = inner
		}
	}
	return out, len(out) == 0
}

package policy

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// edit is all that a mutation changes. Apply and JSONPatch are two ways to carry
// it out.
type edit struct {
	volume  *corev1.Volume // to add
	mounts  []addedMount
	resizes []resize
	memory  []changedMemory
	policy  string
	record  record
}

type addedMount struct {
	container containerRef
	mount     corev1.VolumeMount
}

// resize sets the sizeLimit of the volume at an index of spec.volumes.
type resize struct {
	index int
	name  string
	from  Bytes
	to    Bytes
}

// changedMemory is the memory of a container, or of the Pod where container is
// nil, before and after.
type changedMemory struct {
	container *containerRef
	from, to  memoryState
}

func (m *changedMemory) limitChanges() bool { return m.from.limit != m.to.limit }

func (m *changedMemory) requestChanges() bool {
	return m.from.request != m.to.request || m.from.hasRequest != m.to.hasRequest
}

// containerRef is a place in one of a Pod's lists of containers.
type containerRef struct {
	name  string
	init  bool
	index int
}

func (c *containerState) ref() containerRef {
	return containerRef{name: c.name, init: c.role == sidecar || c.role == initOnce, index: c.index}
}

// of is the container in a Pod.
func (r containerRef) of(spec *corev1.PodSpec) *corev1.Container {
	if r.init {
		return &spec.InitContainers[r.index]
	}
	return &spec.Containers[r.index]
}

// change notes changed memory, if it is changed at all.
func (e *edit) change(m changedMemory) {
	if m.limitChanges() || m.requestChanges() {
		e.memory = append(e.memory, m)
	}
}

func (e *edit) empty() bool {
	return len(e.mounts) == 0 && len(e.resizes) == 0 && len(e.memory) == 0
}

// annotations are the ones that a mutation sets, in the order of their names.
func (e *edit) annotations() [2]struct{ name, value string } {
	return [2]struct{ name, value string }{
		{v1alpha1.AnnotationInjected, e.record.text()},
		{v1alpha1.AnnotationPolicy, e.policy},
	}
}

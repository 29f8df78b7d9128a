package policy

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// podState is what decides about a Pod's /dev/shm, read from the Pod once. Checks
// judge it, and a mutation is worked out on it, so that the Pod itself is neither
// copied nor changed.
type podState struct {
	subject    *Subject
	containers []containerState
	mounts     []mountState
	volumes    []volumeState
	// pod is the pod-level memory.
	pod      memoryState
	overhead Bytes
	// record is what an earlier mutation wrote down about itself.
	record record
}

type role int

const (
	regular   role = iota
	sidecar        // a restartable init container
	initOnce       // an init container that ends before the others start
	ephemeral      // a debug container
)

// containerState is a container, and its memory as it is or will be.
type containerState struct {
	name      string
	role      role
	index     int // in its list
	selected  bool
	memory    memoryState
	resources *corev1.ResourceRequirements
}

// required says whether the container has to have the mount. Init containers
// that end and debug containers need none, but what they mount is checked.
func (c *containerState) required() bool {
	return c.selected && (c.role == regular || c.role == sidecar)
}

// memoryState is a memory limit and request. A limit of 0 is none, as the kubelet
// has it.
type memoryState struct {
	limit, request Bytes
	hasRequest     bool
	// recorded is what a mutation wrote down about this limit and request.
	recorded entry
}

// mountState is a mount at or below the mount path.
type mountState struct {
	container int // in podState.containers
	volume    int // in podState.volumes
	mount     *corev1.VolumeMount
	below     bool
}

// usable says whether files can be written to the whole of a Memory emptyDir by
// this mount.
func (m *mountState) usable() bool {
	return m.mount == nil || !m.mount.ReadOnly && m.mount.SubPath == "" && m.mount.SubPathExpr == ""
}

// volumeState is a volume that is mounted at or below the mount path.
type volumeState struct {
	name   string
	index  int  // in spec.volumes; -1 where there is no such volume
	claim  bool // a claim template of a StatefulSet
	memory bool // a Memory emptyDir
	size   Bytes
	// had is the size before a mutation; 0 for none.
	had Bytes
}

// newState reads a Pod as a policy sees it.
func newState(s *Subject, p *compiled) *podState {
	spec := s.Spec
	st := &podState{
		subject:    s,
		containers: make([]containerState, 0, len(spec.Containers)+len(spec.InitContainers)+len(spec.EphemeralContainers)),
		mounts:     make([]mountState, 0, len(spec.Containers)+len(spec.InitContainers)),
		record:     readRecord(s.Meta.Annotations),
		overhead:   memoryOf(spec.Overhead),
	}
	if spec.Resources != nil {
		st.pod = newMemory(spec.Resources)
		st.pod.recorded = st.record.Pod
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		is := initOnce
		if isSidecar(c) {
			is = sidecar
		}
		st.addContainer(p, is, i, c.Name, &c.Resources, c.VolumeMounts)
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		st.addContainer(p, regular, i, c.Name, &c.Resources, c.VolumeMounts)
	}
	for i := range spec.EphemeralContainers {
		c := &spec.EphemeralContainers[i]
		st.addContainer(p, ephemeral, i, c.Name, &c.Resources, c.VolumeMounts)
	}
	return st
}

// isSidecar says whether an init container runs on beside the others.
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func (st *podState) addContainer(p *compiled, is role, index int, name string, resources *corev1.ResourceRequirements, mounts []corev1.VolumeMount) {
	c := containerState{
		name: name, role: is, index: index, resources: resources,
		selected: anyMatches(p.containers, name),
		memory:   newMemory(resources),
	}
	c.memory.recorded = st.record.Memory[name]
	st.containers = append(st.containers, c)
	last := lastPart(p.mountPath)
	for i := range mounts {
		m := &mounts[i]
		// No spelling of the path lacks its last part, and few others have it.
		if !strings.Contains(m.MountPath, last) {
			continue
		}
		at := sameDir(m.MountPath, p.mountPath)
		if at || isUnder(cleanMountPath(m.MountPath), p.mountPath) {
			st.mounts = append(st.mounts, mountState{container: len(st.containers) - 1, volume: st.volume(m.Name), mount: m, below: !at})
		}
	}
}

// volume is the place in st.volumes of a volume, which is read when first asked for.
func (st *podState) volume(name string) int {
	for i := range st.volumes {
		if st.volumes[i].name == name {
			return i
		}
	}
	v := volumeState{name: name, index: -1, claim: slices.Contains(st.subject.Claims, name)}
	for i := range st.subject.Spec.Volumes {
		source := &st.subject.Spec.Volumes[i]
		if source.Name != name {
			continue
		}
		// An API server refuses a second volume of the name; without one in
		// between, nobody can say which is mounted.
		again := v.index >= 0
		v.index = i
		v.memory = !again && source.EmptyDir != nil && source.EmptyDir.Medium == corev1.StorageMediumMemory
		if v.memory && source.EmptyDir.SizeLimit != nil {
			v.size = BytesOf(*source.EmptyDir.SizeLimit)
		}
		if v.size > most { // of no node the memory: it bounds nothing
			v.size = 0
		}
	}
	v.had = v.size
	st.volumes = append(st.volumes, v)
	return len(st.volumes) - 1
}

// hasMountAt says whether a container mounts anything at the mount path.
func (st *podState) hasMountAt(container int) bool {
	for i := range st.mounts {
		if m := &st.mounts[i]; m.container == container && !m.below {
			return true
		}
	}
	return false
}

func newMemory(r *corev1.ResourceRequirements) memoryState {
	request, found := r.Requests[corev1.ResourceMemory]
	return memoryState{limit: memoryOf(r.Limits), request: BytesOf(request), hasRequest: found}
}

func memoryOf(list corev1.ResourceList) Bytes { return BytesOf(list[corev1.ResourceMemory]) }

// base is the limit, or else the request, that the Pod's owner wrote: without
// what a mutation added, which is at most mostAdded.
func (m *memoryState) base(mostAdded Bytes) Bytes {
	if m.limit == 0 {
		return m.request
	}
	if m.recorded.countsLimit(m) {
		return m.limit.Minus(min(m.recorded.LimitAdded, mostAdded))
	}
	return m.limit
}

package policy

import corev1 "k8s.io/api/core/v1"

// podMemoryLimit is the memory limit that the kubelet puts on the Pod's cgroup; 0
// for none. It is the rule of ResourceConfigForPod (k8s.io/kubernetes,
// pkg/kubelet/cm/helpers_linux.go): the pod-level limit, or else the sum of the
// containers' limits where each container and init container has one; and
// overhead on top of either.
func (st *podState) podMemoryLimit() Bytes {
	limit := st.podLevelLimit()
	if limit == 0 && st.eachLimited() {
		limit = st.sumOf(limitOf)
	}
	if limit == 0 {
		return 0
	}
	return limit.Plus(st.overhead)
}

// podLevelLimit is the pod-level memory limit, or the one that an API server fills in
// where the containers' limits alone would leave the Pod without; 0 for none.
func (st *podState) podLevelLimit() Bytes {
	if st.pod.limit == 0 && !st.eachLimited() && st.limitFilledIn() {
		return max(st.sumOf(limitOf), st.pod.request)
	}
	return st.pod.limit
}

// eachLimited says whether every container has a memory limit.
func (st *podState) eachLimited() bool {
	for i := range st.containers {
		if c := &st.containers[i]; c.role != ephemeral && c.memory.limit == 0 {
			return false
		}
	}
	return true
}

// limitFilledIn says whether an API server fills in a pod-level memory limit after
// admission although a container has none: since 1.37 it does so where pod-level
// resources leave it out and every container names one, and it takes a limit of 0
// for one (defaultPodLevelLimits in k8s.io/kubernetes, pkg/api/pod). Where no
// limit is 0 it may also fill in more than the sum of the limits; the sum holds
// with every API server.
func (st *podState) limitFilledIn() bool {
	r := st.subject.Spec.Resources
	if r == nil || len(r.Requests)+len(r.Limits) == 0 {
		return false
	}
	if _, found := r.Limits[corev1.ResourceMemory]; found {
		return false
	}
	return st.eachNamesLimit()
}

// eachNamesLimit says whether every container names a memory limit, be it 0.
func (st *podState) eachNamesLimit() bool {
	for i := range st.containers {
		c := &st.containers[i]
		if _, found := c.resources.Limits[corev1.ResourceMemory]; c.role != ephemeral && !found {
			return false
		}
	}
	return true
}

func limitOf(m *memoryState) Bytes { return m.limit }

// requestOf is the request, or what an API server fills in for it.
func requestOf(m *memoryState) Bytes {
	if !m.hasRequest {
		return m.limit
	}
	return m.request
}

// sumOf adds up the memory of the containers as the kubelet and LimitRanger do
// (KEP-753): the containers and sidecars run together, and an init container
// together with the sidecars before it.
func (st *podState) sumOf(part func(*memoryState) Bytes) Bytes {
	var together, sidecars, starting Bytes
	for i := range st.containers {
		c := &st.containers[i]
		switch c.role {
		case regular:
			together = together.Plus(part(&c.memory))
		case sidecar:
			together = together.Plus(part(&c.memory))
			sidecars = sidecars.Plus(part(&c.memory))
			starting = max(starting, sidecars)
		case initOnce:
			starting = max(starting, sidecars.Plus(part(&c.memory)))
		}
	}
	return max(together, starting)
}

// mounted is the size with which the kubelet mounts a Memory emptyDir: the least
// of its sizeLimit (0 for none), the Pod's memory limit and what the node can
// allocate (k8s.io/kubernetes, pkg/volume/emptydir, calculateEmptyDirMemorySize);
// MaxBytes where none is known.
func (st *podState) mounted(sizeLimit Bytes) Bytes {
	size := MaxBytes
	for _, bound := range [...]Bytes{st.subject.NodeAllocatable, st.podMemoryLimit(), sizeLimit} {
		if bound > 0 {
			size = min(size, bound)
		}
	}
	return size
}

// MountedSize is the size with which the kubelet mounts a Memory emptyDir of the
// given sizeLimit (0 for none) in the subject's Pod; MaxBytes where nothing that
// is known bounds it.
func MountedSize(s Subject, sizeLimit Bytes) Bytes {
	return newState(&s, &compiled{}).mounted(sizeLimit)
}

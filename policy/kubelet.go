package policy

// podMemoryLimit is the memory limit that the kubelet puts on the Pod's cgroup; 0
// for none. It is the rule of ResourceConfigForPod (k8s.io/kubernetes,
// pkg/kubelet/cm/helpers_linux.go): the pod-level limit, or else the sum of the
// containers' limits where each container and init container has one; and
// overhead on top of either.
func (st *podState) podMemoryLimit() Bytes {
	limit := st.pod.limit
	if limit == 0 {
		for i := range st.containers {
			if c := &st.containers[i]; c.role != ephemeral && c.memory.limit == 0 {
				return 0
			}
		}
		limit = st.sumOfLimits()
	}
	if limit == 0 {
		return 0
	}
	return limit.Plus(st.overhead)
}

// sumOfLimits adds up the memory limits of the containers as the kubelet and
// LimitRanger do (KEP-753): the containers and sidecars run together, and an init
// container together with the sidecars before it.
func (st *podState) sumOfLimits() Bytes {
	var together, sidecars, starting Bytes
	for i := range st.containers {
		c := &st.containers[i]
		switch c.role {
		case regular:
			together = together.Plus(c.memory.limit)
		case sidecar:
			together = together.Plus(c.memory.limit)
			sidecars = sidecars.Plus(c.memory.limit)
			starting = max(starting, sidecars)
		case initOnce:
			starting = max(starting, sidecars.Plus(c.memory.limit))
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

package policy

import (
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// podMemoryLimit returns the memory limit that the kubelet puts on the Pod's cgroup; 0
// for none. It is the rule of ResourceConfigForPod (k8s.io/kubernetes,
// pkg/kubelet/cm/helpers_linux.go): the pod-level limit, or else the sum of the
// containers' limits where each container and init container has one; and
// overhead on top of either.
func (v *view) podMemoryLimit() sizing.Bytes {
	limit := v.podLevelLimit()
	if limit == 0 && v.eachLimited() {
		limit = v.sumOf(limitOf)
	}
	if limit == 0 {
		return 0
	}
	return limit.Plus(v.overhead)
}

// podLevelLimit returns the pod-level memory limit, or the one that an API server fills in
// where the containers' limits alone would leave the Pod without; 0 for none.
func (v *view) podLevelLimit() sizing.Bytes {
	if v.pod.limit == 0 && !v.eachLimited() && v.limitFilledIn() {
		return max(v.sumOf(limitOf), v.pod.request)
	}
	return v.pod.limit
}

// eachLimited reports whether every container has a memory limit.
func (v *view) eachLimited() bool {
	return v.all(func(c *container) bool { return c.memory.limit > 0 })
}

// limitFilledIn reports whether an API server fills in a pod-level memory limit after
// admission although a container has none: since 1.37 it does so where pod-level
// resources leave it out and every container names one, and it takes a limit of 0
// for one (defaultPodLevelLimits in k8s.io/kubernetes, pkg/api/pod). Where no
// limit is 0 it may also fill in more than the sum of the limits; the sum holds
// with every API server.
func (v *view) limitFilledIn() bool {
	return v.hasPodLevel() && !v.pod.namesLimit && v.eachNamesLimit()
}

// eachNamesLimit reports whether every container names a memory limit, be it 0.
func (v *view) eachNamesLimit() bool {
	return v.all(func(c *container) bool { return c.memory.namesLimit })
}

// sumOf adds up the memory of the containers as the kubelet and LimitRanger do
// (KEP-753): the containers and sidecars run together, and an init container
// together with the sidecars before it.
func (v *view) sumOf(part func(*memory) sizing.Bytes) sizing.Bytes {
	var together, sidecars, starting sizing.Bytes
	for i := range v.containers {
		c := &v.containers[i]
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

// mounted returns the size with which the kubelet mounts a Memory emptyDir: the least
// of its sizeLimit (0 for none), the Pod's memory limit and what the node can
// allocate (k8s.io/kubernetes, pkg/volume/emptydir, calculateEmptyDirMemorySize);
// sizing.MaxBytes where none is known.
func (v *view) mounted(sizeLimit sizing.Bytes) sizing.Bytes {
	size := sizing.MaxBytes
	for _, bound := range [...]sizing.Bytes{v.subject.NodeAllocatable, v.podMemoryLimit(), sizeLimit} {
		if bound > 0 {
			size = min(size, bound)
		}
	}
	return size
}

// MountedSize returns the size with which the kubelet mounts a Memory emptyDir of the
// given sizeLimit (0 for none) in the subject's Pod; sizing.MaxBytes where nothing that
// is known bounds it.
func MountedSize(s Subject, sizeLimit sizing.Bytes) sizing.Bytes {
	return observe(&s, &compiled{mountPath: runtimeShm}, &grounds{}, Mirrors{}).mounted(sizeLimit)
}

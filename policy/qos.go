package policy

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// isGuaranteed reports whether CPU and memory each have a limit and a request equal
// to it.
func isGuaranteed(r *corev1.ResourceRequirements) bool {
	if r == nil {
		return false
	}
	for _, name := range [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		limit := r.Limits[name]
		request, found := r.Requests[name]
		if limit.IsZero() || found && request.Cmp(limit) != 0 {
			return false
		}
	}
	return true
}

// guaranteed reports whether the Pod is of the QoS class Guaranteed as it was written. A
// request that is absent counts as equal to the limit, as an API server fills it in.
func (v *view) guaranteed() bool {
	if v.hasPodLevel() {
		r := v.subject.Pod.Spec.Resources
		for _, name := range [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if _, found := r.Requests[name]; !found && v.anyNames(name) {
				return false // an API server fills in what the containers request
			}
		}
		return isGuaranteed(r)
	}
	return v.all(func(c *container) bool { return isGuaranteed(c.source.Resources) })
}

// hasPodLevel reports whether the Pod has resources of its own beside the containers'.
func (v *view) hasPodLevel() bool {
	r := v.subject.Pod.Spec.Resources
	return r != nil && len(r.Requests)+len(r.Limits) > 0
}

// defaultPodRequest returns the pod-level memory request that an API server fills in
// when there is a pod-level limit alone: what the containers request together, be
// it 0, or else the limit.
func (v *view) defaultPodRequest() sizing.Bytes {
	if v.anyNames(corev1.ResourceMemory) {
		return v.sumOf(requestOf)
	}
	return v.pod.limit
}

// anyNames reports whether a container has a request or a limit of a resource.
func (v *view) anyNames(name corev1.ResourceName) bool {
	return v.any(func(c *container) bool {
		if c.source.Resources == nil {
			return false
		}
		_, requested := c.source.Resources.Requests[name]
		_, limited := c.source.Resources.Limits[name]
		return requested || limited
	})
}

// hasMemory reports whether anything in the Pod has a memory request or limit. One of 0 is none.
func (v *view) hasMemory() bool {
	return v.pod.limit > 0 || v.pod.request > 0 ||
		v.any(func(c *container) bool { return c.memory.limit > 0 || c.memory.request > 0 })
}

package policy

import corev1 "k8s.io/api/core/v1"

// equalAndSet says whether CPU and memory each have a limit and a request equal
// to it.
func equalAndSet(r *corev1.ResourceRequirements) bool {
	for _, name := range [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		limit := r.Limits[name]
		request, found := r.Requests[name]
		if limit.IsZero() || found && request.Cmp(limit) != 0 {
			return false
		}
	}
	return true
}

// guaranteed says whether the Pod is of the QoS class Guaranteed. A request that
// is absent counts as equal to the limit, as an API server fills it in.
func (st *podState) guaranteed() bool {
	if r := st.subject.Spec.Resources; r != nil && len(r.Requests)+len(r.Limits) > 0 {
		for _, name := range [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if _, found := r.Requests[name]; !found && st.anyNames(name) {
				return false // an API server fills in what the containers request
			}
		}
		return equalAndSet(r)
	}
	for i := range st.containers {
		if c := &st.containers[i]; c.role != ephemeral && !equalAndSet(c.resources) {
			return false
		}
	}
	return true
}

// defaultPodRequest is the pod-level memory request that an API server fills in
// where there is a pod-level limit alone: what the containers request together, be
// it 0, or else the limit.
func (st *podState) defaultPodRequest() Bytes {
	if st.anyNames(corev1.ResourceMemory) {
		return st.sumOf(requestOf)
	}
	return st.pod.limit
}

// anyNames says whether a container has a request or a limit of a resource.
func (st *podState) anyNames(name corev1.ResourceName) bool {
	for i := range st.containers {
		c := &st.containers[i]
		_, requested := c.resources.Requests[name]
		_, limited := c.resources.Limits[name]
		if c.role != ephemeral && (requested || limited) {
			return true
		}
	}
	return false
}

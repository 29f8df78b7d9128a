package policy_test

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func memoryLimit(r *corev1.ResourceRequirements) int64 {
	return bytesOf(r.Limits[corev1.ResourceMemory])
}

// effectiveRequest returns the request, or the limit, which an API server makes the request.
func effectiveRequest(r *corev1.ResourceRequirements) int64 {
	if q, found := r.Requests[corev1.ResourceMemory]; found {
		return bytesOf(q)
	}
	return memoryLimit(r)
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// podSum adds up a figure over the containers as the scheduler and the kubelet do: regular containers
// and sidecars run together, an init container with the sidecars before it.
func podSum(pod *corev1.Pod, figure func(*corev1.ResourceRequirements) int64) int64 {
	var sidecars, starting int64
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		one := figure(&c.Resources)
		if isSidecar(c) {
			sidecars = plus(sidecars, one)
			one = 0
		}
		starting = max(starting, plus(sidecars, one))
	}
	running := sidecars
	for i := range pod.Spec.Containers {
		running = plus(running, figure(&pod.Spec.Containers[i].Resources))
	}
	return max(running, starting)
}

func anyNamesMemory(pod *corev1.Pod) bool {
	return slices.ContainsFunc(notEphemeral(pod), func(c *corev1.Container) bool {
		_, limited := c.Resources.Limits[corev1.ResourceMemory]
		_, requested := c.Resources.Requests[corev1.ResourceMemory]
		return limited || requested
	})
}

func eachIsLimited(pod *corev1.Pod) bool {
	return !slices.ContainsFunc(
		notEphemeral(pod),
		func(c *corev1.Container) bool { return memoryLimit(&c.Resources) == 0 },
	)
}

// podLimit returns the memory limit of the Pod's cgroup; 0 for none. (Newer API servers complete a
// pod-level request without a limit, if every container has one: to no less than their sum.)
func podLimit(pod *corev1.Pod) int64 {
	overhead := bytesOf(pod.Spec.Overhead[corev1.ResourceMemory])
	r := pod.Spec.Resources
	if r != nil && memoryLimit(r) > 0 {
		return plus(memoryLimit(r), overhead)
	}
	if !eachIsLimited(pod) {
		return 0
	}
	return plus(podSum(pod, memoryLimit), overhead)
}

// mountedSize returns the size with which the kubelet mounts a Memory emptyDir.
func mountedSize(pod *corev1.Pod, e *corev1.EmptyDirVolumeSource) int64 {
	size := endless
	if e.SizeLimit != nil && bytesOf(*e.SizeLimit) > 0 {
		size = bytesOf(*e.SizeLimit)
	}
	if limit := podLimit(pod); limit > 0 {
		size = min(size, limit)
	}
	return size
}

// Kubernetes' rules for Pods.

// qos returns the Pod's class: of the pod-level figures if there are any of CPU or memory, else of the
// containers'.
func qos(pod *corev1.Pod) corev1.PodQOSClass {
	var all []*corev1.ResourceRequirements
	if r := pod.Spec.Resources; r != nil && len(r.Limits)+len(r.Requests) > 0 {
		all = append(all, r)
	} else {
		for _, c := range notEphemeral(pod) {
			all = append(all, &c.Resources)
		}
	}
	some, guaranteed := false, true
	for _, r := range all {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit, request := r.Limits[name], r.Requests[name]
			if _, found := r.Requests[name]; !found {
				request = limit
			}
			some = some || !limit.IsZero() || !request.IsZero()
			guaranteed = guaranteed && !limit.IsZero() && limit.Cmp(request) == 0
		}
	}
	switch {
	case !some:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	default:
		return corev1.PodQOSBurstable
	}
}

// invalid returns why an API server would reject the Pod, as far as a change of volumes, mounts and
// memory figures can bring it about; "" if it would not.
func invalid(pod *corev1.Pod) string {
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		if volumes[v.Name] {
			return "volume " + v.Name + " is there twice"
		}
		volumes[v.Name] = true
		if e := v.EmptyDir; e != nil && e.SizeLimit != nil && e.SizeLimit.Sign() < 0 {
			return "volume " + v.Name + " has a negative size"
		}
	}
	names := map[string]bool{}
	for _, c := range everyContainer(pod) {
		if names[c.Name] {
			return "container " + c.Name + " is there twice"
		}
		names[c.Name] = true
		paths := map[string]bool{}
		for _, d := range c.VolumeDevices {
			if !volumes[d.Name] {
				return c.Name + " has a device of no volume: " + d.Name
			}
			paths[d.DevicePath] = true
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				return c.Name + " mounts no volume: " + m.Name
			}
			if m.MountPath == "" || paths[m.MountPath] {
				return c.Name + " uses the path twice: " + m.MountPath
			}
			paths[m.MountPath] = true
		}
		if why := invalidFigures(&c.Resources); why != "" {
			return c.Name + ": " + why
		}
	}
	r := pod.Spec.Resources
	if r == nil {
		return ""
	}
	if why := invalidFigures(r); why != "" {
		return "pod-level: " + why
	}
	if request, found := r.Requests[corev1.ResourceMemory]; found &&
		bytesOf(request) < podSum(pod, effectiveRequest) {
		return "pod-level request below the containers' together"
	}
	if limit := memoryLimit(r); limit > 0 {
		for _, c := range notEphemeral(pod) {
			if memoryLimit(&c.Resources) > limit {
				return c.Name + " has a limit above the pod-level one"
			}
		}
		if limit < podSum(pod, effectiveRequest) {
			return "pod-level limit below the containers' requests"
		}
	}
	return ""
}

func invalidFigures(r *corev1.ResourceRequirements) string {
	for name, request := range r.Requests {
		if limit, found := r.Limits[name]; found && request.Cmp(limit) > 0 {
			return "request of " + string(name) + " above its limit"
		}
	}
	for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
		for name, q := range list {
			if q.Sign() < 0 {
				return "negative " + string(name)
			}
		}
	}
	return ""
}

// Admission plugins.

// limitRanger returns why the LimitRanger plugin would reject the Pod, "" if it would not.
func limitRanger(pod *corev1.Pod, limitRanges []*corev1.LimitRange) string {
	for _, lr := range limitRanges {
		for _, item := range lr.Spec.Limits {
			switch item.Type {
			case corev1.LimitTypeContainer:
				for _, c := range notEphemeral(pod) {
					if why := outOfRange(&item, memoryLimit(&c.Resources), effectiveRequest(&c.Resources)); why != "" {
						return c.Name + ": " + why
					}
				}
			case corev1.LimitTypePod:
				if why := outOfRange(&item, podFigure(pod, memoryLimit), podFigure(pod, effectiveRequest)); why != "" {
					return "the Pod: " + why
				}
			}
		}
	}
	return ""
}

// podFigure returns a figure of the Pod as a whole: the pod-level one, or else the containers'.
func podFigure(pod *corev1.Pod, figure func(*corev1.ResourceRequirements) int64) int64 {
	if r := pod.Spec.Resources; r != nil {
		filled := pod.DeepCopy()
		fillIn(filled)
		fillInLimit(filled)
		if own := figure(filled.Spec.Resources); own > 0 {
			return own
		}
	}
	return podSum(pod, figure)
}

// fillInLimit does what an API server of 1.37 does after its mutating webhooks if pod-level resources
// leave the memory limit out and every container names one (defaultPodLevelLimits in k8s.io/kubernetes,
// pkg/api/pod).
func fillInLimit(pod *corev1.Pod) {
	r := pod.Spec.Resources
	if _, found := r.Limits[corev1.ResourceMemory]; found || len(r.Requests)+len(r.Limits) == 0 {
		return
	}
	for _, c := range notEphemeral(pod) {
		if _, found := c.Resources.Limits[corev1.ResourceMemory]; !found {
			return
		}
	}
	if r.Limits == nil {
		r.Limits = corev1.ResourceList{}
	}
	limit := max(podSum(pod, memoryLimit), bytesOf(r.Requests[corev1.ResourceMemory]))
	r.Limits[corev1.ResourceMemory] = *resource.NewQuantity(limit, resource.BinarySI)
}

// outOfRange returns why LimitRanger rejects figures (maxConstraint, minConstraint and
// limitRequestRatioConstraint in k8s.io/kubernetes, plugin/pkg/admission/limitranger); empty if it does
// not.
func outOfRange(item *corev1.LimitRangeItem, limit, request int64) string {
	if most, found := item.Max[corev1.ResourceMemory]; found {
		if limit == 0 || limit > bytesOf(most) {
			return "limit above max"
		}
		// As of an init container that has no limit itself.
		if request > bytesOf(most) {
			return "request above max"
		}
	}
	if least, found := item.Min[corev1.ResourceMemory]; found {
		if request < bytesOf(least) {
			return "request below min"
		}
		if limit > 0 && limit < bytesOf(least) {
			return "limit below min"
		}
	}
	if ratio, found := item.MaxLimitRequestRatio[corev1.ResourceMemory]; found {
		if request == 0 || limit == 0 ||
			float64(limit) > float64(request)*ratio.AsApproximateFloat64() {
			return "ratio above maxLimitRequestRatio"
		}
	}
	return ""
}

// overQuota reports whether the quota plugin would reject the Pod.
func overQuota(pod *corev1.Pod, quotas []*corev1.ResourceQuota) bool {
	overhead := bytesOf(pod.Spec.Overhead[corev1.ResourceMemory])
	for _, quota := range quotas {
		for name, hard := range quota.Status.Hard {
			if !specifies(pod, name) {
				return true
			}
			needs := plus(podFigure(pod, effectiveRequest), overhead)
			if name == corev1.ResourceLimitsMemory {
				needs = podFigure(pod, memoryLimit)
				if needs > 0 {
					needs = plus(needs, overhead)
				}
			}
			used := quota.Status.Used[name]
			if plus(bytesOf(used), needs) > bytesOf(hard) {
				return true
			}
		}
	}
	return false
}

// specifies reports whether each container has the figure that a quota counts, or the Pod as a whole.
func specifies(pod *corev1.Pod, name corev1.ResourceName) bool {
	if r := pod.Spec.Resources; r != nil && len(r.Limits)+len(r.Requests) > 0 {
		return true
	}
	return !slices.ContainsFunc(notEphemeral(pod), func(c *corev1.Container) bool {
		_, limited := c.Resources.Limits[corev1.ResourceMemory]
		_, requested := c.Resources.Requests[corev1.ResourceMemory]
		return !limited && (name == corev1.ResourceLimitsMemory || !requested)
	})
}

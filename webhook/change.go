package webhook

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy"
)

// change says what an update does to the figures on which sizes depend.
type change struct {
	// volumeShrank reports whether a volume has a smaller sizeLimit, or is gone.
	volumeShrank bool
	// memoryRose and memoryFell report whether the memory of a container, or of the Pod, is
	// more or less than it was: its limit, or its request if it has no limit.
	memoryRose, memoryFell bool
}

// changeOf compares a Pod with the one that it replaces. An update cannot reorder or remove
// containers.
func changeOf(was, is *policy.PodView) change {
	c := change{volumeShrank: anyShrank(was.Spec.Volumes, is.Spec.Volumes)}
	c.memory(was.Spec.Resources, is.Spec.Resources)
	for _, lists := range [...][2][]policy.ContainerView{
		{was.Spec.InitContainers, is.Spec.InitContainers},
		{was.Spec.Containers, is.Spec.Containers},
	} {
		before, after := lists[0], lists[1]
		for i := range min(len(before), len(after)) {
			c.memory(before[i].Resources, after[i].Resources)
		}
	}
	return c
}

func (c *change) memory(was, is *corev1.ResourceRequirements) {
	before, after := memoryOf(was), memoryOf(is)
	switch {
	case before == nil:
		c.memoryRose = c.memoryRose || after != nil
	case after == nil:
		c.memoryFell = true
	default:
		c.memoryRose = c.memoryRose || after.Cmp(*before) > 0
		c.memoryFell = c.memoryFell || after.Cmp(*before) < 0
	}
}

// memoryOf returns the memory limit, or the request if there is no limit; nil for neither.
func memoryOf(r *corev1.ResourceRequirements) *resource.Quantity {
	if r == nil {
		return nil
	}
	for _, list := range [...]corev1.ResourceList{r.Limits, r.Requests} {
		if q, found := list[corev1.ResourceMemory]; found && !q.IsZero() {
			return &q
		}
	}
	return nil
}

func anyShrank(was, is []policy.VolumeView) bool {
	sizes := make(map[string]*resource.Quantity, len(is))
	for i := range is {
		sizes[is[i].Name] = sizeLimitOf(&is[i])
	}
	for i := range was {
		size, found := sizes[was[i].Name]
		if !found {
			return true
		}
		before := sizeLimitOf(&was[i])
		if size != nil && (before == nil || size.Cmp(*before) < 0) {
			return true
		}
	}
	return false
}

// sizeLimitOf returns the sizeLimit of a volume; nil if nothing bounds it.
func sizeLimitOf(v *policy.VolumeView) *resource.Quantity {
	if v.EmptyDir == nil || v.EmptyDir.SizeLimit == nil || v.EmptyDir.SizeLimit.IsZero() {
		return nil
	}
	return v.EmptyDir.SizeLimit
}

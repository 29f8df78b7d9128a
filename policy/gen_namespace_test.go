package policy_test

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
)

func genLimitRanges(t *rapid.T, pod *corev1.Pod, w weights) []*corev1.LimitRange {
	if !odds(t, "has a LimitRange", w.limitRange) {
		return nil
	}
	lr := &corev1.LimitRange{}
	lr.Name = "limits"
	item := corev1.LimitRangeItem{
		Type: pick(t, "LimitRange for", corev1.LimitTypeContainer, corev1.LimitTypePod),
	}
	if odds(t, "LimitRange has max", 9) {
		item.Max = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(
				pick(t, "max", "600Mi", "10Ei", "1Gi", "2Gi", "1300000000"),
			),
		}
		if odds(t, "LimitRange has hardly more than there is", 8) {
			figure := podFigure(pod, memoryLimit)
			if item.Type == corev1.LimitTypeContainer {
				figure = 0
				for _, c := range notEphemeral(pod) {
					figure = max(figure, memoryLimit(&c.Resources))
				}
			}
			item.Max = corev1.ResourceList{corev1.ResourceMemory: *roomBeside(t, figure)}
		}
	}
	if odds(t, "LimitRange has min", 3) {
		item.Min = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(pick(t, "min", "1", "64Mi")),
		}
	}
	if odds(t, "LimitRange has a ratio", 12) {
		item.MaxLimitRequestRatio = corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(pick(t, "ratio", "2", "1", "4", "1500m")),
		}
	}
	lr.Spec.Limits = []corev1.LimitRangeItem{item}
	return []*corev1.LimitRange{lr}
}

func genQuotas(t *rapid.T, pod *corev1.Pod, w weights) []*corev1.ResourceQuota {
	if !odds(t, "has a quota", w.quota) {
		return nil
	}
	q := &corev1.ResourceQuota{}
	q.Name = "quota"
	name := pick(
		t,
		"quota of",
		corev1.ResourceLimitsMemory,
		corev1.ResourceRequestsMemory,
		corev1.ResourceMemory,
	)
	q.Status.Hard = corev1.ResourceList{
		name: resource.MustParse(pick(t, "hard", "1Gi", "10Ei", "600Mi", "3Gi")),
	}
	if odds(t, "quota has hardly more than there is", 9) {
		figure := podFigure(pod, effectiveRequest)
		if name == corev1.ResourceLimitsMemory {
			figure = podFigure(pod, memoryLimit)
		}
		q.Status.Hard = corev1.ResourceList{name: *roomBeside(t, figure)}
		q.Status.Used = corev1.ResourceList{name: resource.MustParse("0")}
		return []*corev1.ResourceQuota{q}
	}
	q.Status.Used = corev1.ResourceList{
		name: resource.MustParse(pick(t, "used", "0", "256Mi", "1Gi", "64Mi")),
	}
	return []*corev1.ResourceQuota{q}
}

// roomBeside returns a figure and a little more, or much more.
func roomBeside(t *rapid.T, figure int64) *resource.Quantity {
	return resource.NewQuantity(
		plus(figure, pick(t, "room beside", 64*mib, 0, 300*mib, 4*gib)),
		resource.BinarySI,
	)
}

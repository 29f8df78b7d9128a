package policy

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// limitRangeForbids says which LimitRange the raised memory would break.
// LimitRanger looks at a Pod once more after the mutating webhooks, and its
// refusal would name a limit that nobody wrote; so the Pod is left alone, and the
// refusal is ours.
func (j *judged) limitRangeForbids(e *edit) []Violation {
	if len(e.memory) == 0 {
		return nil
	}
	var out []Violation
	for _, limitRange := range j.subject.LimitRanges {
		for i := range limitRange.Spec.Limits {
			item := &limitRange.Spec.Limits[i]
			switch item.Type {
			case corev1.LimitTypeContainer:
				for k := range e.memory {
					if m := &e.memory[k]; m.container != nil {
						out = append(out, j.breaks(limitRange.Name, item, m.container.name, m.from.limit, m.to)...)
					}
				}
			case corev1.LimitTypePod:
				after := j.completed()
				out = append(out, j.breaks(limitRange.Name, item, "", 0, after)...)
			}
		}
	}
	return out
}

// completed is the memory of the Pod as a whole, as an API server completes it before
// LimitRanger looks: pod-level, and what is left out there by the containers.
func (j *judged) completed() memoryState {
	m := j.pod
	if !m.hasRequest {
		m.request = j.sumOf(requestOf)
		if m.limit > 0 {
			m.request = j.defaultPodRequest()
		}
	}
	if m.limit > 0 {
		return m
	}
	if m.limit = j.sumOf(limitOf); j.limitFilledIn() {
		m.limit = max(m.limit, m.request)
	}
	return m
}

// breaks compares one raised limit and request with one item of a LimitRange. The
// container is empty for the Pod as a whole.
func (j *judged) breaks(name string, item *corev1.LimitRangeItem, container string, from Bytes, to memoryState) []Violation {
	whose, each := "the Pod's memory limit", "a Pod"
	if container != "" {
		whose, each = fmt.Sprintf("the memory limit of container %q", container), "a container"
	}
	if from > 0 {
		whose += fmt.Sprintf(" would have to be raised from %s to %s", from, to.limit)
	} else {
		whose += fmt.Sprintf(" would have to be %s", to.limit)
	}
	whose += fmt.Sprintf(" for a %s of %s", j.policy.mountPath, j.size.Limit)

	var out []Violation
	if most, found := item.Max[corev1.ResourceMemory]; found && to.limit > BytesOf(most) {
		out = append(out, Violation{Reason: OOMBeforeFull, Container: container, Detail: fmt.Sprintf(
			"%s, and LimitRange %q allows %s at most %s: raise max.memory of the LimitRange to %s, or lower the size by %s",
			whose, name, each, most.String(), to.limit.RoundUp(MiB), j.policy.sizing.less())})
	}
	ratio, found := item.MaxLimitRequestRatio[corev1.ResourceMemory]
	if found && to.request > 0 && exceedsRatio(to, ratio) {
		out = append(out, Violation{Reason: OOMBeforeFull, Container: container, Detail: fmt.Sprintf(
			"%s with a request of %s, and LimitRange %q allows %s a limit of at most %s times the request: raise the memory request, or maxLimitRequestRatio.memory of the LimitRange",
			whose, to.request, name, each, ratio.String())})
	}
	return out
}

func exceedsRatio(m memoryState, ratio resource.Quantity) bool {
	return float64(m.limit)/float64(m.request) > ratio.AsApproximateFloat64()
}

// less is what makes the size smaller: the words after "by".
func (z *sizing) less() string {
	switch {
	case z.files != nil && z.files.retention > 0:
		return "a shorter retention or a lower sizing.max"
	case z.files != nil:
		return "a lower sizing.max"
	case z.plain > 0:
		return "a lower sizing.fixed"
	case z.units != nil:
		return "a lower sizing.units.each"
	default:
		return "a lower sizing.memoryPercent"
	}
}

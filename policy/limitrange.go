package policy

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// ExceedsLimitRange: a LimitRange of the namespace does not admit the memory that the volume
// costs. LimitRanger looks at a Pod once more after the mutating webhooks, and its
// refusal would name a limit that nobody wrote; so the Pod is left as it is, and the
// refusal names the largest size that would fit.

// leastRequest returns the smallest request in whole MiB, in bytes, that the LimitRanges'
// maxLimitRequestRatio allows beside a limit; 0 if none has one.
func (v *view) leastRequest(kind corev1.LimitType, limit sizing.Bytes) sizing.Bytes {
	var least sizing.Bytes
	for _, limitRange := range v.subject.LimitRanges {
		for i := range limitRange.Spec.Limits {
			item := &limitRange.Spec.Limits[i]
			ratio, found := item.MaxLimitRequestRatio[corev1.ResourceMemory]
			if !found || item.Type != kind {
				continue
			}
			least = max(least, requestForRatio(limit, ratio))
		}
	}
	return least
}

// requestForRatio returns the smallest request in whole MiB that keeps a ratio, or the first that
// is not below the limit if none does.
func requestForRatio(limit sizing.Bytes, ratio resource.Quantity) sizing.Bytes {
	factor := max(1, ratio.AsApproximateFloat64())
	request := sizing.Bytes(float64(limit) / factor).RoundDown(sizing.MiB)
	for request < limit && exceedsRatio(limit, request, ratio) {
		request = request.Plus(sizing.MiB)
	}
	return request
}

// exceedsRatio reports whether a limit is too large for its request, in LimitRanger's
// arithmetic (limitRequestRatioConstraint in k8s.io/kubernetes, plugin/pkg/admission/limitranger).
func exceedsRatio(limit, request sizing.Bytes, ratio resource.Quantity) bool {
	if request <= 0 {
		return true
	}
	observed := float64(limit) / float64(request)
	if ratio.Value() <= resource.MaxMilliValue {
		return observed*1000 > float64(ratio.MilliValue())
	}
	return observed > float64(ratio.Value())
}

// keepPodRatio raises the pod-level request, or else the request of the first writer whose memory
// changes and counts, as far as a LimitRange's ratio over the whole Pod asks for.
func (v *view) keepPodRatio(before *view) {
	if len(v.subject.LimitRanges) == 0 {
		return
	}
	whole := v.whole()
	if whole.limit <= before.whole().limit {
		return
	}
	least := v.leastRequest(corev1.LimitTypePod, whole.limit)
	if v.pod.namesRequest {
		v.pod.request = max(v.pod.request, least)
		if v.pod.limit > 0 {
			v.pod.request = min(v.pod.request, v.pod.limit)
		}
		return
	}
	for i := range v.containers {
		m := &v.containers[i].memory
		was := v.whole().request
		if was >= least {
			return
		}
		if *m == before.containers[i].memory || m.limit == 0 || !m.namesRequest {
			continue
		}
		request := m.request
		m.request = min(request.Plus(least.Minus(was)).RoundUp(sizing.MiB), m.limit)
		if v.pod.limit > 0 {
			// The containers' requests must stay within the pod-level limit, or the Pod is invalid.
			room := v.pod.limit.Minus(v.sumOf(requestOf).Minus(m.request.Minus(request)))
			m.request = max(request, min(m.request, request.Plus(room).RoundDown(sizing.MiB)))
		}
		if v.whole().request == was {
			m.request = request // an init container that needs less than the others do together
		}
	}
}

// whole returns the memory of the Pod as a whole, as an API server completes it before
// LimitRanger looks: pod-level, and what is left out there by the containers.
func (v *view) whole() memory {
	m := v.pod
	if !m.namesRequest {
		m.request, m.namesRequest = v.sumOf(requestOf), true
		if m.limit > 0 {
			m.request = v.defaultPodRequest()
		}
	}
	if m.limit > 0 {
		return m
	}
	if m.limit = v.sumOf(limitOf); v.limitFilledIn() {
		m.limit = max(m.limit, m.request)
	}
	return m
}

// limitRangeViolations says which LimitRanges do not admit the memory of a plan, and stops after
// so many.
func (v *view) limitRangeViolations(before *view, p *Plan, most int) []Violation {
	if len(p.memory) == 0 {
		return nil
	}
	var out []Violation
	wholeBefore, whole := before.whole(), v.whole()
	for _, limitRange := range v.subject.LimitRanges {
		for i := range limitRange.Spec.Limits {
			item := &limitRange.Spec.Limits[i]
			switch item.Type {
			case corev1.LimitTypeContainer:
				for k := range p.memory {
					if c := &p.memory[k]; c.container != nil && len(out) < most {
						out = append(out, v.exceeds(p, limitRange.Name, item, c.container.name, c.from, c.to)...)
					}
				}
			case corev1.LimitTypePod:
				out = append(out, v.exceeds(p, limitRange.Name, item, "", wholeBefore, whole)...)
			}
			if len(out) >= most {
				return out[:most]
			}
		}
	}
	return out
}

// exceeds compares the memory of a container, or of the Pod if it is empty, with one item
// of a LimitRange. What was too much as its owner wrote it is left to LimitRanger.
func (v *view) exceeds(p *Plan, name string, item *corev1.LimitRangeItem, container string, from, to memory) []Violation {
	whose, each := "the Pod's memory ", "a Pod"
	if container != "" {
		whose, each = "the memory of container "+quote(container)+" ", "a container"
	}
	violation := func(format string, args ...any) []Violation {
		return []Violation{{Reason: ExceedsLimitRange, Container: container, Detail: whose + fmt.Sprintf(format, args...)}}
	}
	if largest, found := item.Max[corev1.ResourceMemory]; found {
		most := sizing.BytesOf(largest)
		if figure, was := max(to.limit, requestOf(&to)), max(from.limit, requestOf(&from)); figure > most && figure > was {
			return violation("would have to be %s for a %s of %s, and LimitRange %s allows %s at most %s",
				figure, v.policy.mountPath, v.plannedSize(p), quote(name), each, largest.String())
		}
	}
	ratio, found := item.MaxLimitRequestRatio[corev1.ResourceMemory]
	if found && to.limit > from.limit && exceedsRatio(to.limit, requestOf(&to), ratio) {
		return violation("would have to be %s with a request of %s for a %s of %s, and LimitRange %s allows %s at most %s times the request",
			to.limit, requestOf(&to), v.policy.mountPath, v.plannedSize(p), quote(name), each, ratio.String())
	}
	return nil
}

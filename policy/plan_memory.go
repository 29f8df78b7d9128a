package policy

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// writerVolume is a volume that a writer can use, at the mount path or below it.
type writerVolume struct{ container, volume int }

// costs are the memory costs of volumes in whole MiB, and what is in use of them on average,
// all in bytes: as they were written and as they are planned.
type costs struct {
	before, after       sizing.Bytes
	useBefore, useAfter sizing.Bytes
	// sizeBefore are the volumes themselves, without the kernel memory.
	sizeBefore sizing.Bytes
}

// add counts a volume, as far as the policy pays for it. One that a vertical autoscaler has
// already measured adds no cost.
func (c *costs) add(v *view, vol *volume, payable sizing.Bytes, first, autoscaled bool) {
	if !vol.memory || vol.size == 0 {
		return
	}
	after, before := min(vol.size, payable), min(vol.written, payable)
	if autoscaled {
		before = after
	}
	c.after = c.after.Plus(v.size.cost(after))
	c.before = c.before.Plus(v.size.cost(before))
	c.sizeBefore = c.sizeBefore.Plus(before)
	if first {
		c.useAfter = c.useAfter.Plus(v.size.AverageUseOf(after))
		c.useBefore = c.useBefore.Plus(v.size.AverageUseOf(before))
	}
}

// limit returns the limit that pays for the volumes: it grows by what they cost more than
// before, and holds what they cost and the reserve. A limit of 0 is none and stays so.
func (c *costs) limit(limit, reserve sizing.Bytes) sizing.Bytes {
	if limit == 0 || c.after == 0 {
		return limit
	}
	return max(limit,
		limit.RoundDown(sizing.MiB).Plus(c.after).Minus(c.before),
		c.after.Plus(reserve).RoundUp(sizing.MiB))
}

// addedUse returns how much more is in use on average than before, in bytes.
func (c *costs) addedUse() sizing.Bytes { return c.useAfter.Minus(c.useBefore) }

// costsOfWriters returns the costs for each container, and for the Pod as a whole, of volumes up
// to a size. The average use of a volume is counted for its first writer, and once for the Pod.
func (v *view) costsOfWriters(payable sizing.Bytes) (each []costs, pod costs) {
	each = make([]costs, len(v.containers))
	counted := make([]bool, len(v.volumes))
	for _, u := range v.writerVolumes {
		vol, c := &v.volumes[u.volume], &v.containers[u.container]
		first := !counted[u.volume]
		each[u.container].add(v, vol, payable, first, c.memory.autoscaled)
		if first {
			counted[u.volume] = true
			pod.add(v, vol, payable, true, c.memory.autoscaled)
		}
	}
	return each, pod
}

// written returns what the volumes that each container uses as a writer cost as they are, in
// bytes.
func (v *view) written(s *size) []sizing.Bytes {
	each := make([]sizing.Bytes, len(v.containers))
	for _, u := range v.writerVolumes {
		each[u.container] = each[u.container].Plus(s.cost(v.volumes[u.volume].written))
	}
	return each
}

// writtenInPod returns what the volumes that writers use cost together as they are, in bytes.
func (v *view) writtenInPod(s *size) sizing.Bytes {
	var sum sizing.Bytes
	for i := range v.volumes {
		if vol := &v.volumes[i]; vol.memory && (vol.at || vol.below) {
			sum = sum.Plus(s.cost(vol.written))
		}
	}
	return sum
}

// planMemory raises the memory of the writers for the volumes as they are planned. Each
// writer's limit holds what its volumes cost and the reserve; what is in use on average is
// added to the request of a volume's first writer. No other container's figures change.
func (v *view) planMemory(before *view, p *Plan) {
	each, pod := v.costsOfWriters(v.payable())
	guaranteed := before.guaranteed()
	podLevel := v.hasPodLevel()
	for i := range v.containers {
		if each[i].after > 0 {
			v.raise(&v.containers[i].memory, &each[i], before.mayRequest() && !v.size.noBasis, guaranteed && !podLevel)
		}
	}
	if podLevel {
		v.raisePod(before, &pod, guaranteed)
	}
	v.keepPodRatio(before)
	v.recordMemory(before, p)
}

// raise raises the limit and request of one writer. The request stays below the limit if it
// was below, so that the QoS class stays, and is high enough for the ratios of LimitRanges. If
// there is neither a request nor a limit, a request is written if it may be.
func (v *view) raise(m *memory, c *costs, mayRequest, guaranteed bool) {
	from := *m
	m.limit = c.limit(from.limit, v.policy.reserve)
	addedUse := c.addedUse()
	filledIn := !from.namesRequest && from.limit > 0 // an API server makes the request the limit
	switch {
	case from.limit == 0 && from.namesLimit, // the API server takes it for a limit, which no request may exceed
		from.limit == 0 && from.request == 0 && (addedUse == 0 || !mayRequest),
		addedUse == 0 && m.limit == from.limit:
		return
	}
	request := requestOf(&from)
	to := request
	if addedUse > 0 || filledIn {
		to = request.Plus(addedUse).RoundUp(sizing.MiB)
	}
	if m.limit > 0 {
		if m.limit > from.limit {
			to = max(to, v.leastRequest(corev1.LimitTypeContainer, m.limit))
		}
		highest := m.limit
		if request < from.limit {
			highest = m.limit.Minus(sizing.MiB)
		}
		if v.leastRequest(corev1.LimitTypeContainer, m.limit) > highest {
			highest = m.limit
		}
		to = max(request, min(to, highest))
		if guaranteed {
			to = m.limit
		}
	}
	m.request, m.namesRequest = to, true
}

// mayRequest reports whether a request may be written if there is neither a request nor a
// limit: not in a Pod that has no memory figures at all, which keeps its QoS class, and not
// beside pod-level figures, which count for all containers.
func (v *view) mayRequest() bool {
	return v.hasMemory() && !v.pod.namesLimit && !v.pod.namesRequest
}

// raisePod raises the pod-level memory, if it is set, once for all volumes, and to at least what
// the containers have.
func (v *view) raisePod(before *view, pod *costs, guaranteed bool) {
	from, sum := v.pod, sizing.Bytes(0)
	if requests := v.sumOf(requestOf); requests > before.sumOf(requestOf) {
		sum = requests.RoundUp(sizing.MiB)
	}
	to := from
	if from.limit > 0 {
		to.limit = max(pod.limit(from.limit, v.policy.reserve), v.highestRaised(before))
	}
	if from.namesRequest {
		if addedUse := pod.addedUse(); addedUse > 0 && before.hasMemory() && !(from.namesLimit && from.limit == 0) {
			to.request = from.request.Plus(addedUse).RoundUp(sizing.MiB)
		}
		to.request = max(to.request, sum)
	}
	if to.limit > 0 {
		to.limit = max(to.limit, sum)
		highest := to.limit
		if from.request < from.limit && v.leastRequest(corev1.LimitTypePod, to.limit) < to.limit {
			highest = to.limit.Minus(sizing.MiB)
		}
		if from.namesRequest {
			to.request = max(from.request, min(to.request, highest), sum)
			if guaranteed {
				to.request = to.limit
			}
		}
	}
	v.pod = to
}

// highestRaised returns the highest of the containers' limits that are raised; 0 for none.
func (v *view) highestRaised(before *view) sizing.Bytes {
	var highest sizing.Bytes
	for i := range v.containers {
		if limit := v.containers[i].memory.limit; limit > before.containers[i].memory.limit {
			highest = max(highest, limit)
		}
	}
	return highest
}

// recordMemory notes in a plan what changes.
func (v *view) recordMemory(before *view, p *Plan) {
	for i := range v.containers {
		c := &v.containers[i]
		change := memoryChange{container: c, from: before.containers[i].memory, to: c.memory}
		if change.limitChanges() || change.requestChanges() {
			p.memory = append(p.memory, change)
		}
	}
	if change := (memoryChange{from: before.pod, to: v.pod}); change.limitChanges() || change.requestChanges() {
		p.memory = append(p.memory, change)
	}
}

package policy

// raise adds the charge of the volume to the memory limit of each container that
// has it mounted, and what is expected to be in use to the request, which never
// exceeds the limit. What is counted for already is not added again. Pod-level
// memory is raised in the same way.
//
// A Pod that is Guaranteed stays so: its requests follow its limits.
func (j *judged) raise(e *edit) {
	guaranteed := j.guaranteed()
	// An API server refuses container requests that add up to more than the Pod's.
	podLevel := j.pod.limit > 0 || j.pod.hasRequest
	counted := make([]bool, len(j.volumes))
	var all costs       // of the volumes together
	var had, most Bytes // the highest container limit, before and after
	for i := range j.containers {
		c := &j.containers[i]
		if c.role != ephemeral {
			had = max(had, c.memory.limit)
			most = max(most, c.memory.limit)
		}
		at, ok := j.volumeAt(i)
		if !c.required() || !ok {
			continue
		}
		v := &j.volumes[at]
		own := j.costs(v)
		if !counted[at] {
			counted[at] = true
			all.add(own)
		}
		from := c.memory
		if !j.raiseOne(&c.memory, own, c.memory.limit, !podLevel, guaranteed && !podLevel) {
			continue
		}
		most = max(most, c.memory.limit)
		ref := c.ref()
		e.change(changedMemory{container: &ref, from: from, to: c.memory})
	}
	from := j.pod
	if !j.raiseOne(&j.pod, all, j.defaultPodRequest(), true, guaranteed) {
		return
	}
	// An API server refuses a container limit above the Pod's, but for one that was
	// there before that is its own affair.
	if j.pod.limit < most && from.limit >= had {
		j.pod.recorded.LimitAdded = j.pod.recorded.LimitAdded.Plus(most - j.pod.limit)
		j.pod.recorded.Limit, j.pod.limit = most, most
		if guaranteed {
			j.pod.recorded.RequestAdded = j.pod.recorded.RequestAdded.Plus(most - j.pod.request)
			j.pod.recorded.Request, j.pod.request = most, most
		}
	}
	e.change(changedMemory{from: from, to: j.pod})
}

// volumeAt is the place in volumes of the Memory emptyDir that a container can use
// at the mount path; ok is false where it has none of a known size.
func (j *judged) volumeAt(container int) (volume int, ok bool) {
	for i := range j.mounts {
		m := &j.mounts[i]
		if m.container == container && !m.below && m.usable() {
			if v := &j.volumes[m.volume]; v.memory && v.size > 0 {
				return m.volume, true
			}
		}
	}
	return 0, false
}

// costs are what volumes cost in memory.
type costs struct {
	charge Bytes // when they are full
	steady Bytes // on average
	// had is the charge of what the owner of the Pod mounted; 0 where a mutation
	// added the volume.
	had Bytes
	// tooLarge says that one of them is larger than the policy asks for: nobody gets
	// more memory by writing a larger sizeLimit.
	tooLarge bool
}

func (c *costs) add(d costs) {
	// What is in use on average is the same, however many volumes it lies in.
	c.charge, c.had, c.steady = c.charge.Plus(d.charge), c.had.Plus(d.had), max(c.steady, d.steady)
	c.tooLarge = c.tooLarge || d.tooLarge
}

func (j *judged) costs(v *volumeState) costs {
	c := costs{charge: j.size.ChargeOf(v.size), tooLarge: v.size > j.size.Limit}
	c.steady = min(j.size.SteadyState, c.charge)
	if v.had > 0 && v.name != j.record.Volume {
		c.had = j.size.ChargeOf(v.had)
	}
	return c
}

// raiseOne raises one limit and request, and records what they count for. Where
// the request is absent, an API server fills in defaultRequest. ok is false where
// there is no limit to raise, nothing to raise it for, or no way to.
func (j *judged) raiseOne(m *memoryState, c costs, defaultRequest Bytes, withRequest, guaranteed bool) (ok bool) {
	if m.limit == 0 || c.charge == 0 || c.tooLarge {
		return false
	}
	var limitCounts, requestCounts, limitAdded, requestAdded Bytes
	switch {
	case m.recorded.countsLimit(m):
		limitCounts = m.recorded.Charge
		limitAdded = min(m.recorded.LimitAdded, j.size.ChargeOf(j.recordedVolume()))
	case c.had > 0 && m.limit >= c.had:
		// The owner mounted this volume and gave the limit room for it.
		limitCounts = c.had
		requestCounts = min(limitCounts, c.steady)
	}
	if m.recorded.countsRequest(m) {
		requestCounts = min(m.recorded.Charge, c.steady)
		requestAdded = min(m.recorded.RequestAdded, j.size.ChargeOf(j.recordedVolume()))
	}

	add := c.charge.Minus(limitCounts)
	if m.limit.Plus(add) == MaxBytes {
		return false
	}
	request := m.request
	if !m.hasRequest {
		request = defaultRequest
	}
	before := request
	if m.limit = m.limit.Plus(add); withRequest {
		request = min(request.Plus(c.steady.Minus(requestCounts)), m.limit)
	}
	if guaranteed {
		request = m.limit
	}
	if add > 0 || m.hasRequest {
		m.request, m.hasRequest = request, true
		requestAdded = requestAdded.Plus(request.Minus(before))
	}
	m.recorded = entry{
		Limit: m.limit, Request: m.request, LimitAdded: limitAdded.Plus(add), RequestAdded: requestAdded,
		Charge: max(c.charge, limitCounts),
	}
	return true
}

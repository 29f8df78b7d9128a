package policy

// raise adds the charge of the volume to the memory limit of each container that
// has it mounted, and what is expected to be in use to the request, which never
// exceeds the limit. What is counted for already is not added again. Pod-level
// memory is raised in the same way.
//
// A Pod that is Guaranteed stays so: its requests follow its limits.
func (j *judged) raise(e *edit) {
	guaranteed := j.guaranteed()
	var mostVolume *volumeState
	var most Bytes // the highest container limit
	for i := range j.containers {
		c := &j.containers[i]
		if c.role != ephemeral {
			most = max(most, c.memory.limit)
		}
		v := j.volumeAt(i)
		if !c.required() || v == nil {
			continue
		}
		if mostVolume == nil || v.size > mostVolume.size {
			mostVolume = v
		}
		from := c.memory
		if !j.raiseOne(&c.memory, v, j.pod.limit == 0, guaranteed && j.pod.limit == 0) {
			continue
		}
		most = max(most, c.memory.limit)
		ref := c.ref()
		e.change(changedMemory{container: &ref, from: from, to: c.memory})
	}
	if mostVolume == nil {
		return
	}
	from := j.pod
	if !j.raiseOne(&j.pod, mostVolume, true, guaranteed) {
		return
	}
	if j.pod.limit < most { // an API server refuses a container limit above the Pod's
		j.pod.recorded.LimitAdded = j.pod.recorded.LimitAdded.Plus(most - j.pod.limit)
		j.pod.recorded.Limit, j.pod.limit = most, most
	}
	e.change(changedMemory{from: from, to: j.pod})
}

// volumeAt is the Memory emptyDir that a container can use at the mount path, if
// it has one of a known size.
func (j *judged) volumeAt(container int) *volumeState {
	for i := range j.mounts {
		m := &j.mounts[i]
		if m.container == container && !m.below && m.usable() {
			if v := &j.volumes[m.volume]; v.memory && v.size > 0 {
				return v
			}
		}
	}
	return nil
}

// raiseOne raises one limit and request, and records what they count for. ok is
// false where there is no limit to raise, or where the volume is larger than the
// policy's max: nobody gets more memory by writing a larger sizeLimit.
func (j *judged) raiseOne(m *memoryState, v *volumeState, withRequest, guaranteed bool) (ok bool) {
	if m.limit == 0 || v.size > j.policy.sizing.max {
		return false
	}
	charge := j.size.ChargeOf(v.size)
	steady := min(j.size.SteadyState, charge)

	var limitCounts, requestCounts Bytes
	added := Bytes(0)
	switch {
	case m.recorded.countsLimit(m):
		limitCounts, added = m.recorded.Charge, m.recorded.LimitAdded
	case v.had > 0 && v.name != j.record.Volume && m.limit >= j.size.ChargeOf(v.had):
		// The owner mounted this volume and gave the limit room for it.
		limitCounts = j.size.ChargeOf(v.had)
		requestCounts = min(limitCounts, steady)
	}
	if m.recorded.countsRequest(m) {
		requestCounts = min(m.recorded.Charge, steady)
	}

	add := charge.Minus(limitCounts)
	request := m.request
	if !m.hasRequest { // an API server fills in the limit
		request = m.limit
	}
	if m.limit = m.limit.Plus(add); withRequest {
		request = min(request.Plus(steady.Minus(requestCounts)), m.limit)
	}
	if guaranteed {
		request = m.limit
	}
	if add > 0 || m.hasRequest {
		m.request, m.hasRequest = request, true
	}
	m.recorded = entry{Limit: m.limit, Request: m.request, LimitAdded: added.Plus(add), Charge: max(charge, limitCounts)}
	return true
}

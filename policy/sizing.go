package policy

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// sizing is a compiled v1alpha1.Sizing: one model and its bounds.
type sizing struct {
	bounds
	files         *filesModel
	plain         Bytes // sizing.fixed; 0 where it is not given
	memoryPercent int64
	units         *unitsModel

	// fixed is the size where no Pod changes it, computed once.
	fixed *Size
}

// unitsModel is base + each x count.
type unitsModel struct {
	base, each           Bytes
	annotation, resource string
	literal              int64
}

// precompute sets fixed for the models that need no Pod.
func (z *sizing) precompute() {
	var s Size
	switch {
	case z.files != nil:
		s = z.files.size(z.bounds)
	case z.plain > 0:
		s = plainSize(z.plain, z.bounds)
	case z.units != nil && z.units.literal > 0:
		s = plainSize(z.units.demand(z.units.literal), z.bounds)
	default:
		return
	}
	z.fixed = &s
}

func (u *unitsModel) demand(count int64) Bytes { return u.base.Plus(u.each.Times(count)) }

// sized is the size of /dev/shm for one Pod, and what there is to say about it.
type sized struct {
	Size
	invalid  []Violation // overrides that do not count
	warnings []string
}

// sizeFor computes the size for a Pod: the model, then the Pod's overrides.
func (p *compiled) sizeFor(st *podState) sized {
	var out sized
	switch {
	case p.sizing.fixed != nil:
		out.Size = *p.sizing.fixed
	case p.sizing.memoryPercent > 0:
		out = p.percentOfMemory(st)
	default:
		out = p.countedUnits(st)
	}
	p.override(st.subject.Meta.Annotations, &out)
	return out
}

// percentOfMemory takes the largest limit (or request, where there is no limit) of
// the containers that get the mount, without what a mutation added to it; the
// Pod's own where no container has one. Where there is none at all, nothing is known
// of the need, and only the policy's max cannot be too small.
func (p *compiled) percentOfMemory(st *podState) sized {
	var base Bytes
	most := p.mostAdded(st)
	for i := range st.containers {
		if c := &st.containers[i]; c.required() {
			base = max(base, c.memory.base(most))
		}
	}
	if base == 0 {
		base = st.pod.base(most)
	}
	if base == 0 {
		return sized{Size: plainSize(p.sizing.max, p.sizing.bounds), warnings: []string{fmt.Sprintf(
			"policy %q takes %d%% of the memory limit, and no container that gets the mount has a limit or request: the size is the policy's max, %s; set a memory limit",
			p.name, p.sizing.memoryPercent, p.sizing.max)}}
	}
	return sized{Size: plainSize(base.Percent(p.sizing.memoryPercent), p.sizing.bounds)}
}

// mostAdded is the most that a mutation can have added to a limit: what the volume
// costs that it wrote down, as large as that is now.
func (p *compiled) mostAdded(st *podState) Bytes {
	return fileCost{pageSize: p.sizing.pageSize}.charge(st.recordedVolume())
}

// recordedVolume is the size of the volume that the record names, as the Pod has
// it; 0 where there is none.
func (st *podState) recordedVolume() Bytes {
	for i := range st.volumes {
		if v := &st.volumes[i]; v.name == st.record.Volume && v.memory {
			return v.had
		}
	}
	return 0
}

func (p *compiled) countedUnits(st *podState) sized {
	u := p.sizing.units
	if u.resource != "" {
		return sized{Size: plainSize(u.demand(st.count(u.resource)), p.sizing.bounds)}
	}
	var warnings []string
	text, found := st.subject.Meta.Annotations[u.annotation]
	count, err := strconv.ParseInt(text, 10, 32)
	if !found || err != nil || count < 0 {
		count = 1
		problem := "is absent"
		if found {
			problem = fmt.Sprintf("is %s, not a whole number", quote(text))
		}
		warnings = append(warnings, fmt.Sprintf("annotation %s %s, so policy %q counts one unit: write the count there, such as \"4\"", u.annotation, problem, p.name))
	}
	return sized{Size: plainSize(u.demand(count), p.sizing.bounds), warnings: warnings}
}

// count is how many of a resource the containers that get the mount have.
func (st *podState) count(name string) int64 {
	var total Bytes
	for i := range st.containers {
		c := &st.containers[i]
		if !c.required() {
			continue
		}
		q, found := c.resources.Limits[corev1.ResourceName(name)]
		if !found {
			q = c.resources.Requests[corev1.ResourceName(name)]
		}
		total = total.Plus(BytesOf(q))
	}
	return int64(total)
}

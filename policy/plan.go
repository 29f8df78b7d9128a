package policy

import (
	"slices"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Plan is what a mutation changes in a Pod. The zero value changes nothing.
type Plan struct {
	policy *compiled

	volume  *volume      // to add; nil for none
	mounts  []*container // of the volume, as they will be
	resizes []resize
	memory  []memoryChange
}

// Empty reports whether the plan changes nothing.
func (p Plan) Empty() bool {
	return p.volume == nil && len(p.resizes) == 0 && len(p.memory) == 0
}

// raisesRequest reports whether the plan raises a memory request.
func (p *Plan) raisesRequest() bool {
	return slices.ContainsFunc(p.memory, func(c memoryChange) bool { return c.requestChanges() })
}

// resize sets the sizeLimit of the volume at an index of spec.volumes.
type resize struct {
	index    int
	name     string
	from, to sizing.Bytes
}

// memoryChange is the memory of a container, or of the Pod if container is nil, before and
// after.
type memoryChange struct {
	container *container
	from, to  memory
}

func (c *memoryChange) limitChanges() bool { return c.from.limit != c.to.limit }

func (c *memoryChange) requestChanges() bool {
	return c.from.request != c.to.request || c.from.namesRequest != c.to.namesRequest
}

// plan returns what makes the Pod as the policy wants it, and the Pod as it would then be.
// The Pod that it is called on stays as it is. blocked says which LimitRange or quota would not
// admit the memory: then nothing is changed.
func (v *view) plan(guess bool) (p Plan, after *view, blocked []Violation) {
	p = Plan{policy: v.policy}
	if !v.policy.mutates() {
		return p, v, nil
	}
	if guess && (!v.needsVolume() || v.any(func(c *container) bool { return c.writer && c.occupied() })) {
		return p, v, nil // a guess adds a volume where none is, and that is all
	}
	after = v.planned(&p)
	if p.Empty() {
		return p, v, nil
	}
	if blocked = after.blockers(v, &p); len(blocked) > 0 {
		return Plan{policy: v.policy}, v, blocked
	}
	return p, after, nil
}

// planned fills in a plan, and returns the Pod as it would then be.
func (v *view) planned(p *Plan) *view {
	after := v.copy()
	after.planResizes(p)
	after.planMounts(p)
	if v.policy.handling() == v1alpha1.MemoryRaise {
		after.planMemory(v, p)
	}
	return after
}

// plannedSize returns the size of the volume that a plan adds, or else what the policy gives.
func (v *view) plannedSize(p *Plan) sizing.Bytes {
	if p.volume != nil {
		return p.volume.size
	}
	return v.size.Limit
}

// copy returns a view that can be changed while v stays as it is.
func (v *view) copy() *view {
	out := *v
	out.containers = append(out.few.containers[:0], v.containers...)
	out.mounts = append(out.few.mounts[:0], v.mounts...)
	out.volumes = append(out.few.volumes[:0], v.volumes...)
	out.writerVolumes = append(out.few.writerVolumes[:0], v.writerVolumes...)
	return &out
}

// needsVolume reports whether a writer must have the volume and does not.
func (v *view) needsVolume() bool { return v.any((*container).needsVolume) }

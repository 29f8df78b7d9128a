package policy

import (
	"fmt"
	"strings"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// reason returns the most conspicuous of what a plan changes.
func (p *Plan) reason() Reason {
	switch {
	case p.volume != nil:
		return AddVolume
	case len(p.resizes) > 0:
		return ResizeVolume
	default:
		return RaiseMemory
	}
}

// describe says in a sentence what a plan changes. v is the Pod as it would then be.
func (v *view) describe(p *Plan) string {
	var parts []string
	if p.volume != nil {
		names := make([]string, len(p.mounts))
		for i, m := range p.mounts {
			names[i] = m.container.name
		}
		parts = append(parts, fmt.Sprintf("adds a Memory emptyDir of %s and mounts it at %s in %s",
			sizing.BytesOf(*p.volume.EmptyDir.SizeLimit), p.mountPath, quoteAll(names)))
	}
	for i, r := range p.resizes {
		if i == mostNoted {
			parts = append(parts, fmt.Sprintf("and of %d more volumes", len(p.resizes)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("changes the sizeLimit of volume %s from %s to %s", quote(r.name), v.sizeBefore(&r), r.to))
	}
	for i := range p.memory {
		if i == mostNoted {
			parts = append(parts, fmt.Sprintf("and the memory of %d more containers", len(p.memory)-i))
			break
		}
		parts = append(parts, p.memory[i].describe())
	}
	return strings.Join(parts, ", ")
}

// sizeBefore says how large a volume was.
func (v *view) sizeBefore(r *resize) string {
	if r.from > 0 {
		return r.from.String()
	}
	if bound := v.mounted(0); bound < sizing.MaxBytes {
		return "none, which was up to " + bound.String() + ","
	}
	return "none, which was up to what the node can allocate,"
}

// describe says what happens to a container's memory, or the Pod's.
func (c *memoryChange) describe() string {
	whose := "the Pod"
	if c.container != nil {
		whose = quote(c.container.name)
	}
	request := fmt.Sprintf("from %s to %s", c.from.request, c.to.request)
	switch {
	case !c.limitChanges() && c.from.namesRequest:
		return fmt.Sprintf("raises the memory request of %s %s", whose, request)
	case !c.limitChanges():
		return fmt.Sprintf("sets the memory request of %s to %s", whose, c.to.request)
	case !c.requestChanges():
		return fmt.Sprintf("raises the memory limit of %s from %s to %s", whose, c.from.limit, c.to.limit)
	case c.from.namesRequest:
		return fmt.Sprintf("raises the memory limit of %s from %s to %s and its request %s", whose, c.from.limit, c.to.limit, request)
	default:
		return fmt.Sprintf("raises the memory limit of %s from %s to %s and makes its request %s", whose, c.from.limit, c.to.limit, c.to.request)
	}
}

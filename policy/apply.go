package policy

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Apply carries out what the decision changes on the subject that it was made
// for, or on a deep copy of it: it edits subject.Meta and subject.Spec. A decision
// that is not Mutated changes nothing.
func (d Decision) Apply(subject Subject) {
	e := d.edit
	if e == nil {
		return
	}
	spec := subject.Spec
	for _, r := range e.resizes {
		spec.Volumes[r.index].EmptyDir.SizeLimit = r.to.Quantity()
	}
	if e.volume != nil {
		spec.Volumes = append(spec.Volumes, *e.volume.DeepCopy())
	}
	for _, m := range e.mounts {
		c := m.container.of(spec)
		c.VolumeMounts = append(c.VolumeMounts, *m.mount.DeepCopy())
	}
	for _, m := range e.memory {
		resources := spec.Resources
		if m.container != nil {
			resources = &m.container.of(spec).Resources
		}
		if m.limitChanges() {
			resources.Limits[corev1.ResourceMemory] = *m.to.limit.Quantity()
		}
		if m.requestChanges() {
			if resources.Requests == nil {
				resources.Requests = corev1.ResourceList{}
			}
			resources.Requests[corev1.ResourceMemory] = *m.to.request.Quantity()
		}
	}
	if subject.Meta.Annotations == nil {
		subject.Meta.Annotations = map[string]string{}
	}
	for _, a := range e.annotations() {
		subject.Meta.Annotations[a.name] = a.value
	}
}

// reason is the most conspicuous of what changes.
func (e *edit) reason() Reason {
	switch {
	case e.volume != nil:
		return AddVolume
	case len(e.resizes) > 0:
		return ResizeVolume
	case len(e.mounts) > 0:
		return AddMount
	default:
		return RaiseMemory
	}
}

// detail says in a sentence what changes.
func (e *edit) detail(mountPath string) string {
	var parts []string
	if e.volume != nil {
		parts = append(parts, fmt.Sprintf("adds a Memory emptyDir of %s", BytesOf(*e.volume.EmptyDir.SizeLimit)))
	}
	for _, r := range e.resizes {
		from := "none"
		if r.from > 0 {
			from = r.from.String()
		}
		parts = append(parts, fmt.Sprintf("changes the sizeLimit of volume %q from %s to %s", r.name, from, r.to))
	}
	if len(e.mounts) > 0 {
		names := make([]string, len(e.mounts))
		for i, m := range e.mounts {
			names[i] = m.container.name
		}
		parts = append(parts, fmt.Sprintf("mounts it at %s in %s", mountPath, quoteAll(names)))
	}
	for _, m := range e.memory {
		whose := "the Pod"
		if m.container != nil {
			whose = quote(m.container.name)
		}
		switch {
		case !m.limitChanges():
			parts = append(parts, fmt.Sprintf("raises the memory request of %s from %s to %s", whose, m.from.request, m.to.request))
		case m.from.hasRequest && m.requestChanges():
			parts = append(parts, fmt.Sprintf("raises the memory limit of %s from %s to %s and its request from %s to %s", whose, m.from.limit, m.to.limit, m.from.request, m.to.request))
		case m.to.hasRequest && !m.from.hasRequest:
			parts = append(parts, fmt.Sprintf("raises the memory limit of %s from %s to %s and makes its request %s", whose, m.from.limit, m.to.limit, m.to.request))
		default:
			parts = append(parts, fmt.Sprintf("raises the memory limit of %s from %s to %s", whose, m.from.limit, m.to.limit))
		}
	}
	return strings.Join(parts, ", ")
}

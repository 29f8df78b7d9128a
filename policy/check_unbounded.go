package policy

import "github.com/shmkeeper/shmkeeper/policy/v1alpha1"

// Unbounded: the Memory emptyDir of a writer at the mount path, or below it, has no sizeLimit (a
// sizeLimit of 0 is none). It may then grow to all the memory of the Pod, or of the node, and whatever fills
// it is OOM-killed, restarted and OOM-killed again. Under existing: Leave, under Enlarge for
// another model than sizing.files, and under SetLimit if nothing is known of the size to set, it
// is a warning: the owner who left the limit out may know why. Below the mount path SetLimit sets
// nothing, and it is a violation under Require and sizing.files.
func checkUnbounded(v *view) []Violation {
	at, below := v.rejectsUnbounded(), v.rejectsUnboundedBelow()
	if !at && !below {
		return nil
	}
	var out findings
	for i := range v.mounts {
		v.step()
		m := &v.mounts[i]
		c, vol := &v.containers[m.container], &v.volumes[m.volume]
		if !v.mustHave(m) || !vol.memory || vol.size > 0 || m.below && !below || !m.below && !at {
			continue
		}
		out.add(Unbounded, c.name, "container %s mounts volume %s at %s, a Memory emptyDir without sizeLimit: set its sizeLimit to %s",
			quote(c.name), quote(vol.name), shorten(vol.path), v.limitForUnbounded())
	}
	return out
}

// rejectsUnboundedBelow reports whether a volume without sizeLimit below the mount path is a
// violation. It is never changed.
func (v *view) rejectsUnboundedBelow() bool {
	switch v.policy.existing {
	case v1alpha1.ExistingLeave:
		return false
	case v1alpha1.ExistingRequire:
		return true
	default:
		return v.policy.model != nil && v.policy.model.files != nil
	}
}

// rejectsUnbounded reports whether a volume without sizeLimit is a violation.
func (v *view) rejectsUnbounded() bool {
	switch v.policy.existing {
	case v1alpha1.ExistingLeave:
		return false
	case v1alpha1.ExistingEnlarge:
		return v.policy.model != nil && v.policy.model.files != nil
	case v1alpha1.ExistingSetLimit:
		return !v.size.unfounded
	default:
		return true
	}
}

// limitForUnbounded returns the sizeLimit that a remedy asks for.
func (v *view) limitForUnbounded() string {
	if v.policy.model == nil {
		return "how much the program needs"
	}
	return v.newSize().Quantity().String()
}

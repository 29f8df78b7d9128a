package policy

import "github.com/shmkeeper/shmkeeper/policy/v1alpha1"

// Unbounded: the Memory emptyDir of a writer at the mount path, or below it, has no sizeLimit (a
// sizeLimit of 0 is none). It may then grow to all the memory of the Pod, or of the node, and whatever fills
// it is OOM-killed, restarted and OOM-killed again. Under existing: Leave, under Enlarge for
// another model than sizing.files, and under SetLimit if nothing is known of the size to set, it
// is a warning: the owner who left the limit out may know why. Below the mount path SetLimit sets
// nothing, and it is a violation under Require and sizing.files.
func checkUnbounded(v *view) []Violation {
	var out findings
	for i := range v.mounts {
		v.step()
		m := &v.mounts[i]
		c, vol := &v.containers[m.container], &v.volumes[m.volume]
		if v.mustHave(m) && vol.memory && vol.size == 0 && v.rejectsUnbounded(m.below) {
			out.add(Unbounded, c.name, "container %s mounts volume %s at %s, a Memory emptyDir without sizeLimit: set its sizeLimit to %s",
				quote(c.name), quote(vol.name), shorten(vol.path), v.limitForUnbounded())
		}
	}
	return out
}

// rejectsUnbounded reports whether a volume without sizeLimit is a violation. Below the mount path
// it is never changed.
func (v *view) rejectsUnbounded(below bool) bool {
	switch how := v.policy.existing; {
	case how == v1alpha1.ExistingLeave:
		return false
	case how == v1alpha1.ExistingRequire:
		return true
	case how == v1alpha1.ExistingSetLimit && !below:
		return !v.size.noBasis
	default:
		return v.policy.model != nil && v.policy.model.files != nil
	}
}

// limitForUnbounded returns the sizeLimit that a remedy asks for.
func (v *view) limitForUnbounded() string {
	if v.policy.model == nil {
		return "how much the program needs"
	}
	return v.newSize().Quantity().String()
}

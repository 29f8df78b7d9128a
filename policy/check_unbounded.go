package policy

import "github.com/shmkeeper/shmkeeper/policy/v1alpha1"

// Unbounded: the Memory emptyDir at the mount path of a writer has no sizeLimit (a sizeLimit of
// 0 is none). It may then grow to all the memory of the Pod, or of the node, and whatever fills
// it is OOM-killed, restarted and OOM-killed again. Under existing: Leave, under Enlarge for
// another model than sizing.files, and under SetLimit if nothing is known of the size to set, it
// is a warning: whoever left the limit out may know why.
func checkUnbounded(v *view) []Violation {
	if !v.rejectsUnbounded() {
		return nil
	}
	var out findings
	v.eachMount(func(c *container, _ *mount, vol *volume) {
		if vol.memory && vol.size == 0 {
			out.add(Unbounded, c.name, "container %s mounts volume %s at %s, a Memory emptyDir without sizeLimit: set its sizeLimit to %s",
				quote(c.name), quote(vol.name), v.policy.mountPath, v.limitForUnbounded())
		}
	})
	return out
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

package policy

import "github.com/shmkeeper/shmkeeper/policy/v1alpha1"

// TooSmall: the sizeLimit of the Memory emptyDir at the mount path of a writer is below the
// required size. Under existing: Leave it is a warning.
func checkTooSmall(v *view) []Violation {
	if v.policy.existing == v1alpha1.ExistingLeave || v.policy.model == nil {
		return nil
	}
	var out findings
	v.eachMount(func(c *container, _ *mount, vol *volume) {
		if v.isTooSmall(vol) {
			out.add(TooSmall, c.name, "container %s mounts volume %s of %s at %s and needs %s: set sizeLimit: %s",
				quote(c.name), quote(vol.name), vol.size, v.policy.mountPath, v.size.Minimum, v.limitToSet())
		}
	})
	return out
}

func (v *view) isTooSmall(vol *volume) bool {
	return vol.memory && vol.size > 0 && vol.size < v.size.Minimum
}

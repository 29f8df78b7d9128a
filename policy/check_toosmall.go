package policy

// TooSmall: the sizeLimit of the Memory emptyDir at the mount path is below what
// the workload needs.
func checkTooSmall(j *judged, r *report) {
	j.eachMount(func(c *containerState, m *mountState, v *volumeState) {
		if c.required() && v.memory && v.size > 0 && v.size < j.size.Need {
			r.add(TooSmall, c.name, "container %q mounts volume %q of %s at %s and needs %s; set sizeLimit: %s", c.name, v.name, v.size, j.policy.mountPath, j.size.Need, j.size.Limit.Quantity().String())
		}
	})
}

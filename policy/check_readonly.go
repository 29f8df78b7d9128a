package policy

// ReadOnly: a container mounts the volume read-only. It then cannot create the
// files for which the volume is there.
func checkReadOnly(j *judged, r *report) {
	j.eachMount(func(c *containerState, m *mountState, v *volumeState) {
		if m.mount != nil && m.mount.ReadOnly && c.required() && v.memory {
			r.add(ReadOnly, c.name, "container %q mounts volume %q read-only at %s; remove readOnly", c.name, v.name, j.policy.mountPath)
		}
	})
}

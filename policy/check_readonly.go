package policy

// ReadOnly: a writer mounts the volume read-only. It then cannot create the files for which the
// volume is there.
func checkReadOnly(v *view) []Violation {
	var out findings
	v.eachMount(func(c *container, m *mount, vol *volume) {
		if vol.memory && m.source != nil && m.source.ReadOnly {
			out.add(ReadOnly, c.name, "container %s mounts volume %s read-only at %s: remove readOnly",
				quote(c.name), quote(vol.name), v.policy.mountPath)
		}
	})
	return out
}

package policy

// SubPath: a container mounts a part of a volume (subPath or subPathExpr) at the
// mount path. Other containers can fill the same volume beside it.
func checkSubPath(j *judged, r *report) {
	j.eachMount(func(c *containerState, m *mountState, v *volumeState) {
		if m.mount == nil || !c.required() || !v.memory {
			return
		}
		if sub := m.mount.SubPath + m.mount.SubPathExpr; sub != "" {
			r.add(SubPath, c.name, "container %q mounts only %q of volume %q at %s; remove the subPath", c.name, sub, v.name, j.policy.mountPath)
		}
	})
}

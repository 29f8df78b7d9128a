package policy

// SubPath: a writer mounts a part of a volume (subPath or subPathExpr) at the
// mount path. Other containers can fill the same volume beside it.
func checkSubPath(v *view) []Violation {
	var out findings
	v.eachMount(func(c *container, m *mount, vol *volume) {
		if !vol.memory || m.source == nil {
			return
		}
		if sub := m.source.SubPath + m.source.SubPathExpr; sub != "" {
			out.add(SubPath, c.name, "container %s mounts only %s of volume %s at %s: remove the subPath",
				quote(c.name), quote(sub), quote(vol.name), v.policy.mountPath)
		}
	})
	return out
}

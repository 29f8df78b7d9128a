package policy

// NotMemory: what a writer mounts at the mount path is not an emptyDir of medium Memory: a
// disk, a persistent volume, a host path, or a volume that the Pod does not have.
func checkNotMemory(v *view) []Violation {
	var out findings
	v.eachMount(func(c *container, _ *mount, vol *volume) {
		switch {
		case vol.memory:
		case vol.index < 0 && !vol.claim:
			out.add(NotMemory, c.name, "container %s mounts volume %s at %s, which the Pod does not have: add %s of that name",
				quote(c.name), quote(vol.name), v.policy.mountPath, v.requiredVolume())
		default:
			out.add(NotMemory, c.name, "container %s mounts volume %s at %s, which is not a Memory emptyDir: mount %s there",
				quote(c.name), quote(vol.name), v.policy.mountPath, v.requiredVolume())
		}
	})
	return out
}

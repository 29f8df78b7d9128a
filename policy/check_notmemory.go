package policy

// NotMemory: what a container mounts at the mount path is not an emptyDir of
// medium Memory: a disk, a persistent volume, a host path, or a volume that the
// Pod does not have.
func checkNotMemory(j *judged, r *report) {
	j.eachMount(func(c *containerState, m *mountState, v *volumeState) {
		switch {
		case v.memory || !c.required():
		case v.index < 0 && !v.claim:
			r.add(NotMemory, c.name, "container %q mounts volume %q at %s, which the Pod does not have; add %s of that name", c.name, v.name, j.policy.mountPath, j.wanted())
		default:
			r.add(NotMemory, c.name, "container %q mounts volume %q at %s, which is not a Memory emptyDir; mount %s there", c.name, v.name, j.policy.mountPath, j.wanted())
		}
	})
}

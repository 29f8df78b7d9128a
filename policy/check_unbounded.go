package policy

// Unbounded: a Memory emptyDir at or below the mount path has no sizeLimit (a
// sizeLimit of 0 is none). It may then grow to all the memory of the Pod, or of
// the node, and whatever fills it is OOM-killed, restarted and OOM-killed again.
// Init and debug containers may not mount one either.
func checkUnbounded(j *judged, r *report) {
	for i := range j.mounts {
		m := &j.mounts[i]
		c, v := &j.containers[m.container], &j.volumes[m.volume]
		if !c.selected || !v.memory || v.size > 0 {
			continue
		}
		at := j.policy.mountPath
		if m.below {
			at = cleanMountPath(m.mount.MountPath)
		}
		r.add(Unbounded, c.name, "container %q mounts volume %q at %s, a Memory emptyDir without sizeLimit; set sizeLimit: %s", c.name, v.name, at, j.size.Limit.Quantity().String())
	}
}

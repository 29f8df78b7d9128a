package policy

// NoMount: a container mounts nothing at the mount path. It then shares the /dev/shm
// that the runtime makes for the Pod: 64 MiB, whatever the memory limit.
func checkNoMount(j *judged, r *report) {
	for i := range j.containers {
		if c := &j.containers[i]; c.required() && !j.hasMountAt(i) {
			r.add(NoMount, c.name, "container %q mounts nothing at %s and gets the runtime's %s; mount %s there", c.name, j.policy.mountPath, DefaultShm, j.wanted())
		}
	}
}

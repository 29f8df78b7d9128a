package policy

import "slices"

// defaultContainer is the annotation that names a Pod's main container.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// chooseWriters decides which containers write to the volume: those that the policy names,
// else those whose image matched, else those that use the path, else the Pod's main
// container. There is always one, so that a policy that matches is never without effect.
func (v *view) chooseWriters(why *grounds, mirrors Mirrors) {
	longRunning := func(c *container) bool { return c.role == regular || c.role == sidecar }
	if v.choose(func(c *container) bool {
		return c.role != ephemeral && anyMatches(v.policy.writers, c.name)
	}) {
		return
	}
	if len(why.images) > 0 && v.choose(func(c *container) bool {
		return longRunning(c) && anyImageMatches(why.images, mirrors.original(c.source.Image))
	}) {
		return
	}
	// What a policy only checks is what is mounted. One that sizes must not go by that, as it would
	// find other writers after it has mounted a volume.
	if v.policy.model == nil && v.choose(func(c *container) bool {
		return longRunning(c) && c.source.mounts(v.policy.mountPath)
	}) {
		return
	}
	if v.choose(func(c *container) bool { return longRunning(c) && c.named }) {
		return
	}
	main := v.subject.Pod.Metadata.Annotations[defaultContainer]
	i := slices.IndexFunc(v.containers, func(c container) bool { return c.role == regular && c.name == main })
	if i < 0 {
		i = slices.IndexFunc(v.containers, func(c container) bool { return c.role == regular })
	}
	if i >= 0 {
		v.containers[i].writer = true
	}
}

// choose reports whether f holds for any container, and makes writers of those.
func (v *view) choose(f func(*container) bool) bool {
	chosen := false
	for i := range v.containers {
		v.step()
		if c := &v.containers[i]; f(c) {
			c.writer, chosen = true, true
		}
	}
	return chosen
}

// namesNoContainer reports whether the policy names its writers and none of the containers
// has such a name.
func (v *view) namesNoContainer() bool {
	return len(v.policy.writers) > 0 && !v.any(func(c *container) bool { return anyMatches(v.policy.writers, c.name) })
}

// firstWriter returns the first writer in the Pod's order; -1 if there is none.
func (v *view) firstWriter() int {
	return slices.IndexFunc(v.containers, func(c container) bool { return c.writer })
}

package policy

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// NoMount: a writer mounts nothing at the mount path. At /dev/shm it then shares what the
// runtime makes for the Pod: 64 MiB, whatever the memory limit, or on CRI-O what an annotation
// asks for, which no other runtime reads.
func checkNoMount(v *view) []Violation {
	if v.policy.model == nil {
		return nil // what is mounted is checked, and no more
	}
	var out findings
	for i := range v.containers {
		v.step()
		c := &v.containers[i]
		switch {
		case c.needsVolume():
			out = append(out, Violation{Reason: NoMount, Container: c.name, Detail: v.describeNoMount(c)})
		case c.writer && c.device && !c.mounted:
			out.add(NoMount, c.name, "container %s has a block device at %s: mount %s there", quote(c.name), v.policy.mountPath, v.requiredVolume())
		}
	}
	return out
}

// describeNoMount says what a container gets that mounts nothing, and what to do.
func (v *view) describeNoMount(c *container) string {
	var s sentence
	s.Grow(192)
	s.text("container ")
	s.name(c.name)
	s.text(" mounts nothing at ")
	s.text(v.policy.mountPath)
	if v.shares() {
		s.text(" and gets the runtime's /dev/shm of ")
		s.size(sizing.DefaultShm)
	}
	if annotation, asked := v.crioSize(); annotation != "" {
		s.text(", or of ")
		s.size(asked)
		s.text(" on nodes where CRI-O heeds annotation ")
		s.text(annotation)
	}
	s.text(": ")
	if i := v.remounter(); v.shares() && i >= 0 {
		s.text(fmt.Sprintf("container %s remounts it, so no volume was added: mount %s there and remove the remount, or %s",
			quote(v.containers[i].name), v.requiredVolume(), v.howToBeExempt()))
		return s.String()
	}
	s.text("mount a Memory emptyDir with sizeLimit: ")
	s.text(v.newSize().Quantity().String())
	s.text(" there")
	return s.String()
}

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
		v.steps++
		c := &v.containers[i]
		switch {
		case c.needsVolume():
			out.add(NoMount, c.name, "container %s mounts nothing at %s%s: %s", quote(c.name), v.policy.mountPath, v.instead(), v.remedyForNoMount())
		case c.writer && c.device && !c.mounted:
			out.add(NoMount, c.name, "container %s has a block device at %s: mount %s there", quote(c.name), v.policy.mountPath, v.requiredVolume())
		}
	}
	return out
}

// instead says what a container gets that mounts nothing.
func (v *view) instead() string {
	if !v.shares() {
		return ""
	}
	text := fmt.Sprintf(" and gets the runtime's /dev/shm of %s", sizing.DefaultShm)
	if annotation, asked := v.crioSize(); annotation != "" {
		text += fmt.Sprintf(", or of %s on nodes where CRI-O heeds annotation %s", asked, annotation)
	}
	return text
}

func (v *view) remedyForNoMount() string {
	if i := v.remounter(); v.shares() && i >= 0 {
		return fmt.Sprintf("container %s remounts it, so no volume was added: mount %s there and remove the remount, or %s",
			quote(v.containers[i].name), v.requiredVolume(), v.howToBeExempt())
	}
	return "mount " + v.requiredVolume() + " there"
}

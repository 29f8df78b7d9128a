package policy

import "github.com/shmkeeper/shmkeeper/policy/v1alpha1"

// HostShm: a writer uses the node's own /dev/shm, by hostIPC or a hostPath volume, and the policy
// denies it (hostShm: Denied). All Pods of the node that do so share one file system, which
// whatever runs there can fill. A Pod whose own mount hides the node's is judged by that mount.
func checkHostShm(v *view) []Violation {
	if v.policy.hostShm == v1alpha1.Allowed {
		return nil
	}
	var out findings
	for i := range v.containers {
		if c := &v.containers[i]; c.writer && c.hostShm {
			out.add(HostShm, c.name, "container %s uses the node's own /dev/shm at %s %s, shared with every Pod of the node that does so, and policy %s denies it: mount %s there, which ends the sharing, or %s",
				quote(c.name), v.policy.mountPath, v.howHostShm(c), quote(v.policy.name), v.requiredVolume(), v.howToBeExempt())
		}
	}
	return out
}

// howHostShm says by what a container has the node's /dev/shm.
func (v *view) howHostShm(c *container) string {
	if c.occupied() {
		return "by a hostPath volume"
	}
	return "by hostIPC"
}

// howToBeExempt says what the owner of a Pod that cannot comply can do.
func (v *view) howToBeExempt() string {
	if v.policy.exemptions {
		return "set annotation " + v1alpha1.AnnotationExempt + " to the reason why it must stay"
	}
	return "ask the policy's administrator for an exemption"
}

// onlyHostShm reports whether every writer uses the node's /dev/shm.
func (v *view) onlyHostShm() bool {
	return v.firstWriter() >= 0 && v.all(func(c *container) bool { return c.hostShm || !c.writer })
}

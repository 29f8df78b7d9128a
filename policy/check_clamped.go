package policy

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// ClampedByMemoryLimit: the kubelet would mount less than the workload needs. It
// lowers the size of a Memory emptyDir, silently, to the memory limit of the Pod
// (the pod-level one, or the sum over all containers where each has one), and to
// what the node can allocate. A policy with memory: Ignore does not look.
func checkClamped(j *judged, r *report) {
	if j.policy.memory == v1alpha1.MemoryIgnore {
		return
	}
	for i := range j.volumes {
		v := &j.volumes[i]
		if !v.memory || v.size == 0 || !j.isMountedAt(i) {
			continue
		}
		mounted := j.mounted(v.size)
		if mounted >= v.size || mounted >= j.size.Need {
			continue
		}
		verb := "has"
		if v.size != v.had { // a mutation would give it this size
			verb = "needs"
		}
		instead := fmt.Sprintf("the kubelet would mount %s at %s instead of the %s that volume %q %s", mounted, j.policy.mountPath, v.size, v.name, verb)
		if limit := j.podMemoryLimit(); limit == mounted {
			r.add(ClampedByMemoryLimit, "", "%s, because the Pod's memory limit is %s; raise the memory limit to at least %s and what the process needs", instead, limit, j.chargeWanted(v))
			continue
		}
		r.add(ClampedByMemoryLimit, "", "%s, because the node can allocate no more; use a larger node", instead)
	}
}

package policy

import "github.com/shmkeeper/shmkeeper/policy/sizing"

// ClampedByMemoryLimit: the kubelet would mount less than the workload needs. It
// lowers the size of a Memory emptyDir, silently, to the memory limit of the Pod
// (the pod-level one, or the sum over all containers if each has one), and to
// what the node can allocate. A policy with memory.handling: Ignore does not look.
func checkClamped(v *view) []Violation {
	if !v.looksAtMemory() || v.policy.model == nil {
		return nil
	}
	var out findings
	bound, limit := v.mounted(0), v.podMemoryLimit()
	for i := range v.volumes {
		vol := &v.volumes[i]
		if !vol.memory || vol.size == 0 || !vol.at {
			continue
		}
		mounted := min(vol.size, bound)
		if mounted >= vol.size || mounted >= v.size.Minimum {
			continue
		}
		if limit == mounted {
			out.add(ClampedByMemoryLimit, "", "the kubelet would mount %s at %s instead of the %s of volume %s, because the Pod's memory limit is %s: raise the memory limit to at least %s",
				mounted, v.policy.mountPath, vol.size, quote(vol.name), limit, v.limitFor(vol))
			continue
		}
		out.add(ClampedByMemoryLimit, "", "the kubelet would mount %s at %s instead of the %s of volume %s, because the node can allocate no more: use a larger node",
			mounted, v.policy.mountPath, vol.size, quote(vol.name))
	}
	return out
}

// limitFor returns the memory limit that is enough for a volume when it has the size that it
// should have, in bytes.
func (v *view) limitFor(vol *volume) sizing.Bytes {
	return v.size.cost(v.shouldBe(vol)).Plus(v.policy.reserve).RoundUp(sizing.MiB)
}

// shouldBe returns the size of a volume when the remedies for its size have been carried out.
func (v *view) shouldBe(vol *volume) sizing.Bytes {
	if vol.at && v.isTooSmall(vol) {
		return v.size.Limit
	}
	return vol.size
}

package policy

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// OOMBeforeFull: a memory limit is below the charge, which is what a full volume
// costs: its pages and the kernel memory of its files. The container is then
// OOM-killed before it ever sees "no space left on device", and, as the volume
// outlives the restart, killed again at once. A policy with memory: Ignore does
// not look.
func checkOOM(j *judged, r *report) {
	if j.policy.memory == v1alpha1.MemoryIgnore {
		return
	}
	counted := make([]bool, len(j.volumes))
	var all Bytes // the charge of the volumes together
	j.eachMount(func(c *containerState, m *mountState, v *volumeState) {
		if !c.required() || !v.memory || v.size == 0 || !m.usable() {
			return
		}
		mounted := j.mounted(v.size)
		charge := j.size.ChargeOf(mounted)
		if !counted[m.volume] {
			counted[m.volume] = true
			all = all.Plus(charge)
		}
		if c.memory.limit > 0 && c.memory.limit < charge {
			r.add(OOMBeforeFull, c.name, "container %q would be OOM-killed before the volume is full: %s of files at %s cost %s with their kernel memory, and its memory limit is %s; %s", c.name, mounted, j.policy.mountPath, charge, c.memory.limit, j.remedyForOOM(v))
		}
	})
	if limit := j.podLevelLimit(); limit > 0 && limit < all {
		r.add(OOMBeforeFull, "", "the Pod would be OOM-killed before the volume is full: what is mounted at %s costs %s with its kernel memory, and the pod-level memory limit is %s; raise it to at least %s and what the processes need", j.policy.mountPath, all, limit, all.RoundUp(MiB))
	}
}

func (j *judged) remedyForOOM(v *volumeState) string {
	if v.size > j.size.Limit {
		return fmt.Sprintf("lower its sizeLimit to %s, which is enough, or raise the memory limit to at least %s", j.size.Limit, j.size.ChargeOf(v.size).RoundUp(MiB))
	}
	return fmt.Sprintf("raise the memory limit to at least %s and what the process needs", j.chargeWanted(v))
}

// chargeWanted is the memory that a volume costs when it is as large as it should
// be, in whole MiB, so that a limit of it is enough.
func (j *judged) chargeWanted(v *volumeState) Bytes {
	if v.size < j.size.Need {
		return j.size.Charge.RoundUp(MiB)
	}
	return j.size.ChargeOf(v.size).RoundUp(MiB)
}

package policy

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// OOMBeforeFull: a writer's memory limit, or the Pod's, does not hold the memory cost of what it
// can write to and the policy's memory.reserve. The memory cost is what full volumes take: their
// pages and the kernel memory of their files. The container is then OOM-killed before it ever
// sees "no space left on device", and the files outlive it: what happens to its restarts depends
// on the Pod's memory limit (afterOOM). A volume below the mount path counts like the one at it;
// one without sizeLimit counts in no sum. A policy with memory.handling: Ignore warns.
func checkOOM(v *view) []Violation {
	if !v.looksAtMemory() {
		return nil
	}
	return v.oomBeforeFull()
}

func (v *view) oomBeforeFull() []Violation {
	if len(v.writerVolumes) == 0 {
		return nil
	}
	var out findings
	full, podLimit := v.fullVolumes(), v.podMemoryLimit()
	for i := range v.containers {
		c := &v.containers[i]
		f := &full.each[i]
		if limit := c.memory.limit; f.cost > 0 && limit > 0 && limit < f.cost.Plus(v.policy.reserve) {
			out.add(OOMBeforeFull, c.name, "container %s would be OOM-killed before the volume is full: %s of files at %s cost %s with their kernel memory, and its memory limit is %s, which must hold %s for the process too%s; %s: %s",
				quote(c.name), f.mounted, f.path, f.cost, limit, v.policy.reserve, stalled(f, limit), v.afterOOM(&full.all, podLimit), v.remedyForOOM(f, limit))
		}
	}
	if limit := v.podLevelLimit(); full.all.cost > 0 && limit > 0 && limit < full.all.cost.Plus(v.policy.reserve) {
		out.add(OOMBeforeFull, "", "the Pod would be OOM-killed before the volume is full: what is mounted at %s costs %s with its kernel memory, and the pod-level memory limit is %s, which must hold %s for the processes too%s; %s: %s",
			full.all.path, full.all.cost, limit, v.policy.reserve, stalled(&full.all, limit), v.afterOOM(&full.all, podLimit), v.remedyForOOM(&full.all, limit))
	}
	return out
}

// stalled returns what a limit that holds the files, and nothing for the process, means on a node
// that throttles: memory.high lies below the limit, and a charge above it waits for memory that
// files on tmpfs never give back (KEP-2570; measured on cgroup v2).
func stalled(f *fullSum, limit sizing.Bytes) string {
	if limit < f.cost {
		return ""
	}
	return " (where the kubelet sets memoryThrottlingFactor, the writer stalls before it is killed)"
}

// afterOOM returns what happens to a container that is restarted after the OOM kill. What it wrote
// counts against the Pod's cgroup from then on, and not against the new container's (measured on
// cgroup v1 and v2). The limit is the Pod's; 0 for none.
func (v *view) afterOOM(all *fullSum, limit sizing.Bytes) string {
	switch {
	case limit == 0:
		return "the files outlive it, and as the Pod as a whole has no memory limit, each restart adds to them on the node"
	case limit < all.cost.Plus(v.policy.reserve):
		return fmt.Sprintf("the files outlive it and use up the Pod's %s, so each restart is OOM-killed again", limit)
	default:
		return fmt.Sprintf("the files outlive it, and each restart adds to them within the Pod's %s", limit)
	}
}

// fullSum is what full volumes take.
type fullSum struct {
	mounted, cost sizing.Bytes
	// remedied is the cost when the remedies for the sizes have been carried out, and the kubelet
	// lowers none.
	remedied sizing.Bytes
	path     string
	// tooLarge is a volume that is larger than the policy asks for; nil for none.
	tooLarge *volume
}

func (f *fullSum) add(v *view, vol *volume, bound sizing.Bytes) {
	mounted := min(vol.size, bound)
	f.mounted = f.mounted.Plus(mounted)
	f.cost = f.cost.Plus(v.size.cost(mounted))
	f.remedied = f.remedied.Plus(v.size.cost(v.shouldBe(vol)))
	switch {
	case f.path == "" && !vol.at:
		f.path = shorten(vol.path)
	case f.path == "":
		f.path = v.policy.mountPath
	default:
		f.path = v.policy.mountPath + " and below"
	}
	// The size that memoryPercent gives means nothing if a volume takes up the whole limit.
	if m := v.policy.model; m != nil && m.memoryPercent == nil && vol.at && vol.size > v.payable() && vol.elsewhere == "" {
		f.tooLarge = vol
	}
}

type fullVolumes struct {
	each []fullSum
	all  fullSum
}

// fullVolumes returns what full volumes take, for each writer and for the Pod.
func (v *view) fullVolumes() fullVolumes {
	full := fullVolumes{each: make([]fullSum, len(v.containers))}
	bound := v.mounted(0)
	counted := make([]bool, len(v.volumes))
	for _, u := range v.writerVolumes {
		v.step()
		vol := &v.volumes[u.volume]
		if !vol.memory || vol.size == 0 {
			continue
		}
		full.each[u.container].add(v, vol, bound)
		if !counted[u.volume] {
			counted[u.volume] = true
			full.all.add(v, vol, bound)
		}
	}
	return full
}

func (v *view) remedyForOOM(f *fullSum, limit sizing.Bytes) string {
	raise := fmt.Sprintf("raise the memory limit to at least %s", f.remedied.Plus(v.policy.reserve).RoundUp(sizing.MiB))
	if f.tooLarge == nil {
		return raise
	}
	enough := ", which is enough"
	if least := v.size.cost(v.size.Limit).Plus(v.policy.reserve); v.policy.handling() != v1alpha1.MemoryRaise && limit < least {
		enough = fmt.Sprintf(" and raise the memory limit to %s", least.RoundUp(sizing.MiB))
	}
	if f.tooLarge.index >= len(v.subject.Pod.Spec.Volumes) {
		annotation, _ := v.crioSize()
		return fmt.Sprintf("lower annotation %s to %s%s, or %s", annotation, v.size.Limit, enough, raise)
	}
	return fmt.Sprintf("lower the sizeLimit of volume %s to %s%s, or %s", quote(f.tooLarge.name), v.size.Limit, enough, raise)
}

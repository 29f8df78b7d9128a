package policy

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// volumeName is the name of the volume that a mutation adds.
const volumeName = "shmkeeper-shm"

// judged is a Pod under its governing policy.
type judged struct {
	*podState
	policy *compiled
	size   sized
	// unraised is what a quota counts of the Pod without the memory that a mutation
	// adds, where there are quotas.
	unraised quotaUsage
}

// mend works out what a mutation changes, and leaves the state as it will be. The
// violation, if there is one, says why the memory may not be raised as it would
// have to be.
func (j *judged) mend() (*edit, []Violation) {
	e := &edit{policy: j.policy.name}
	j.resize(e)
	j.mountMissing(e)
	var forbidden []Violation
	if j.policy.memory == v1alpha1.MemoryRaise {
		j.raise(e)
		forbidden = j.limitRangeForbids(e)
	}
	if !e.empty() {
		j.describe(e)
	}
	return e, forbidden
}

// resize sets the size of Memory emptyDirs that are there already.
func (j *judged) resize(e *edit) {
	if j.policy.existing != v1alpha1.ExistingResize {
		return
	}
	for i := range j.volumes {
		v := &j.volumes[i]
		tooSmall := v.size > 0 && v.size < j.size.Need && j.isMountedAt(i)
		unbounded := v.size == 0 && j.isSelected(i)
		if !v.memory || !tooSmall && !unbounded {
			continue
		}
		e.resizes = append(e.resizes, resize{index: v.index, name: v.name, from: v.size, to: j.size.Limit})
		v.size = j.size.Limit
	}
}

// isSelected says whether a container that the policy names has this volume at or
// below the mount path, in whatever way.
func (j *judged) isSelected(volume int) bool {
	for i := range j.mounts {
		if m := &j.mounts[i]; m.volume == volume && j.containers[m.container].selected {
			return true
		}
	}
	return false
}

// isMountedAt says whether a container that has to have the mount has this volume
// at the mount path, in a way that it can use.
func (j *judged) isMountedAt(volume int) bool {
	for i := range j.mounts {
		if m := &j.mounts[i]; m.volume == volume && !m.below && m.usable() && j.containers[m.container].required() {
			return true
		}
	}
	return false
}

// mountMissing gives the mount to the containers that have none: of the Memory
// emptyDir that another container has there, or else of a new one. The containers
// of a Pod share one /dev/shm without shmkeeper too.
func (j *judged) mountMissing(e *edit) {
	target := j.target()
	for i := range j.containers {
		c := &j.containers[i]
		if !c.required() || j.hasMountAt(i) {
			continue
		}
		if target < 0 {
			target = j.addVolume(e)
		}
		mount := corev1.VolumeMount{Name: j.volumes[target].name, MountPath: j.policy.mountPath}
		if j.policy.restricted {
			mount.BindMountOptions = []string{
				string(corev1.BindMountOptionNoDev), string(corev1.BindMountOptionNoExec), string(corev1.BindMountOptionNoSUID),
			}
		}
		e.mounts = append(e.mounts, addedMount{container: c.ref(), mount: mount})
		j.mounts = append(j.mounts, mountState{container: i, volume: target})
	}
}

// target is the first Memory emptyDir at the mount path; -1 where there is none.
func (j *judged) target() int {
	for i := range j.volumes {
		if j.volumes[i].memory && j.isMountedAt(i) {
			return i
		}
	}
	return -1
}

func (j *judged) addVolume(e *edit) int {
	name := j.freeVolumeName()
	e.volume = &corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: j.size.Limit.Quantity()},
	}}
	j.volumes = append(j.volumes, volumeState{name: name, index: len(j.subject.Spec.Volumes), memory: true, size: j.size.Limit})
	return len(j.volumes) - 1
}

func (j *judged) freeVolumeName() string {
	name := volumeName
	for n := 2; j.isTaken(name); n++ {
		name = volumeName + "-" + strconv.Itoa(n)
	}
	return name
}

func (j *judged) isTaken(name string) bool {
	for i := range j.subject.Spec.Volumes {
		if j.subject.Spec.Volumes[i].Name == name {
			return true
		}
	}
	if slices.Contains(j.subject.Claims, name) {
		return true
	}
	// A mount may name a volume that does not exist.
	for i := range j.volumes {
		if j.volumes[i].name == name {
			return true
		}
	}
	return false
}

// describe fills in the record of the mutation: every limit that counts for the
// volume, whether it was raised now, earlier, or was large enough as it was.
func (j *judged) describe(e *edit) {
	volume := j.target()
	if volume < 0 {
		return
	}
	e.record = record{
		Policy: j.policy.name, Volume: j.volumes[volume].name, SizeLimit: *j.volumes[volume].size.Quantity(),
		Pod: j.pod.recorded,
	}
	for i := range j.containers {
		c := &j.containers[i]
		if c.memory.recorded.Limit == 0 {
			continue
		}
		if e.record.Memory == nil {
			e.record.Memory = make(map[string]entry, len(j.containers))
		}
		e.record.Memory[c.name] = c.memory.recorded
	}
}

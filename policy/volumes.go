package policy

import "github.com/shmkeeper/shmkeeper/policy/sizing"

// MemoryVolume represents a Memory emptyDir that containers of a Pod mount at the mount path of
// the policy that decides about the Pod, or below it. Amounts are in bytes.
type MemoryVolume struct {
	// Name is the volume's, and Path where it is mounted: the first place, cleaned.
	Name, Path string
	// SizeLimit is the one that is written; 0 for none.
	SizeLimit sizing.Bytes
	// Mounted is the size with which the kubelet mounts it; sizing.MaxBytes if nothing that is
	// known bounds it.
	Mounted sizing.Bytes
	// Writers are the limits that what is written counts against: those of the containers that the
	// policy says write there, and mount it.
	Writers []WriterLimit
	// PodLimit is the memory limit of the Pod's cgroup; 0 for none.
	PodLimit sizing.Bytes
}

// WriterLimit is the memory limit of a container in bytes; 0 for none.
type WriterLimit struct {
	Container string
	Limit     sizing.Bytes
}

// MemoryVolumes returns the Memory emptyDirs that a Pod has at the mount path of the policy that
// decides about it, or below it, in the order of their mounts, with that policy and the size that
// it computes for the Pod. An exempt Pod has its volumes too. There are none, and no policy, for a
// Pod that no policy matches, that the policies skip, or that is TooComplex.
func (s Set) MemoryVolumes(subject Subject) (decides Policy, size sizing.Size, volumes []MemoryVolume) {
	p, _, why := s.find(&subject)
	if p == nil {
		return Policy{}, sizing.Size{}, nil
	}
	if reason, _ := skipReason(subject.Pod); reason != "" || tooComplex(&subject) != nil {
		return Policy{}, sizing.Size{}, nil
	}
	v := observe(&subject, p, &why, s.mirrors)
	v.size = v.sizeFor()
	for i := range v.volumes {
		if vol := &v.volumes[i]; vol.memory {
			volumes = append(volumes, v.memoryVolume(i))
		}
	}
	return Policy{p}, *v.size.Size, volumes
}

func (v *view) memoryVolume(index int) MemoryVolume {
	vol := &v.volumes[index]
	out := MemoryVolume{
		Name: vol.name, Path: vol.path, SizeLimit: vol.size,
		Mounted: v.mounted(vol.size), PodLimit: v.podMemoryLimit(),
	}
	for _, u := range v.writerVolumes {
		if u.volume == index {
			c := &v.containers[u.container]
			out.Writers = append(out.Writers, WriterLimit{Container: c.name, Limit: c.memory.limit})
		}
	}
	return out
}

// Files returns what the policy declares of the files that its Pods write, and the page size of
// their nodes. ok is false for a policy without a files model.
func (p Policy) Files() (files sizing.Files, pageSize sizing.Bytes, ok bool) {
	if m := p.orNothing().model; m == nil || m.files == nil {
		return sizing.Files{}, 0, false
	}
	return *p.model.files, p.model.bounds.PageSize, true
}

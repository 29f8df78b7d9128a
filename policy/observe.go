package policy

import (
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// view is a Pod as its policy sees it, read once. Checks are functions of a view, and a plan
// makes another one of it: neither reads the Pod again, and neither changes it.
type view struct {
	subject *Subject
	policy  *compiled
	// size is what the policy gives this Pod.
	size size

	containers []container
	mounts     []mount
	volumes    []volume
	// writerVolumes are the volumes that the writers can use, in the Pod's order.
	writerVolumes []writerVolume
	// pod is the pod-level memory.
	pod      memory
	overhead sizing.Bytes

	// few holds the lists of a small Pod, so that its view is one allocation.
	few struct {
		containers    [2]container
		mounts        [2]mount
		volumes       [1]volume
		writerVolumes [1]writerVolume
	}

	// steps counts the elements that were looked at, for the tests of the bounds.
	steps int
}

// step counts an element that is looked at.
func (v *view) step() { v.steps++ }

type role uint8

const (
	regular   role = iota
	sidecar        // a restartable init container
	initOnce       // an init container that ends before the others start
	ephemeral      // a debug container
)

// container is a container, and its memory as it is or will be.
type container struct {
	name   string
	role   role
	index  int // in its list
	source *ContainerView
	memory memory

	// writer reports whether the policy says that it writes to the volume.
	writer bool
	// mounted reports whether it mounts a volume at the mount path, and device whether it has
	// a block device there.
	mounted, device bool
	// hostShm reports whether what it has at the mount path is the node's own /dev/shm.
	hostShm bool
	// named reports whether its settings name the mount path, and remounts whether they
	// remount it.
	named, remounts bool
}

// any reports whether f holds for a container that is not ephemeral.
func (v *view) any(f func(*container) bool) bool {
	for i := range v.containers {
		if c := &v.containers[i]; c.role != ephemeral && f(c) {
			return true
		}
	}
	return false
}

// all reports whether f holds for every container that is not ephemeral.
func (v *view) all(f func(*container) bool) bool {
	return !v.any(func(c *container) bool { return !f(c) })
}

// occupied reports whether a container has anything of its own at the mount path.
func (c *container) occupied() bool { return c.mounted || c.device }

// needsVolume reports whether a container must have the volume mounted and does not.
func (c *container) needsVolume() bool { return c.writer && !c.occupied() && !c.hostShm }

// shares reports whether a container uses the /dev/shm that the runtime makes for the Pod.
func (c *container) shares() bool { return c.role != ephemeral && !c.occupied() && !c.hostShm }

// mount is a mount at or below the mount path.
type mount struct {
	container int // in view.containers
	volume    int // in view.volumes
	source    *corev1.VolumeMount
	below     bool
}

// usable reports whether files can be written to the whole of a volume by this mount.
func (m *mount) usable() bool {
	s := m.source
	return s == nil || !s.ReadOnly && s.SubPath == "" && s.SubPathExpr == ""
}

// volume is a volume that is mounted at or below the mount path.
type volume struct {
	name   string
	index  int  // in spec.volumes; -1 if there is no such volume
	claim  bool // a claim template of a StatefulSet
	memory bool // a Memory emptyDir
	// hostPath is the cleaned path of a hostPath volume; empty for all others.
	hostPath string
	// path is where it is mounted, at the mount path or below it: the first place.
	path string
	// size is the size limit in bytes; 0 for none.
	size sizing.Bytes
	// written is the size limit before a plan; 0 for none, and for a volume that a plan adds.
	written sizing.Bytes
	// elsewhere is another path at which the volume is mounted too.
	elsewhere string
	// at and below report whether a container that must have the volume can use this one, at
	// the mount path or below it.
	at, below bool
}

const (
	runtimeShm = "/dev/shm" // what a runtime mounts in each container that mounts nothing there
	// fewVolumes is how many a list is searched for without a map.
	fewVolumes = 8
)

// observe reads a Pod as a policy sees it.
func observe(s *Subject, p *compiled, why *grounds, mirrors Mirrors) *view {
	spec := &s.Pod.Spec
	v := &view{subject: s, policy: p, overhead: memoryIn(spec.Overhead)}
	v.containers, v.mounts, v.volumes, v.writerVolumes = v.few.containers[:0], v.few.mounts[:0], v.few.volumes[:0], v.few.writerVolumes[:0]
	if spec.Resources != nil {
		v.pod = newMemory(spec.Resources)
	}
	find := newFinder(s)
	for i := range spec.InitContainers {
		is := initOnce
		if spec.InitContainers[i].isSidecar() {
			is = sidecar
		}
		v.addContainer(is, i, &spec.InitContainers[i], find)
	}
	for i := range spec.Containers {
		v.addContainer(regular, i, &spec.Containers[i], find)
	}
	for i := range spec.EphemeralContainers {
		v.addContainer(ephemeral, i, &spec.EphemeralContainers[i], find)
	}
	v.chooseWriters(why, mirrors)
	v.markAutoscaled()
	v.markVolumes(find)
	return v
}

func (v *view) addContainer(is role, index int, source *ContainerView, find *finder) {
	v.step()
	c := container{name: source.Name, role: is, index: index, source: source, memory: newMemory(source.Resources)}
	c.named = source.namesPath(v.policy.mountPath)
	c.remounts = source.remounts(v.policy.mountPath)
	position := len(v.containers)
	for i := range source.VolumeMounts {
		v.step()
		m := &source.VolumeMounts[i]
		where := placeOf(m.MountPath, v.policy.mountPath)
		if where == beside {
			continue
		}
		found := v.volumeOf(m.Name, find)
		v.mounts = append(v.mounts, mount{container: position, volume: found, source: m, below: where == below})
		if v.volumes[found].path == "" {
			v.volumes[found].path = cleanMountPath(m.MountPath)
		}
		if where == below {
			continue
		}
		// Of several mounts at the path, in different spellings, only one counts.
		hostPath := v.volumes[found].hostPath
		isHost := hostPath != "" && isUnder(path.Join(hostPath, m.SubPath), runtimeShm)
		c.hostShm = isHost && (c.hostShm || !c.mounted)
		c.mounted = true
	}
	for i := range source.VolumeDevices {
		v.step()
		c.device = c.device || placeOf(source.VolumeDevices[i].DevicePath, v.policy.mountPath) == at
	}
	if v.policy.mountPath == runtimeShm && v.subject.Pod.Spec.HostIPC && !c.occupied() {
		c.hostShm = true
	}
	v.containers = append(v.containers, c)
}

// finder finds volumes by their names: those of the spec, and those that a view has.
type finder struct {
	spec   []VolumeView
	claims map[string]bool
	named  map[string]int // in spec; nil for a short list
	seen   map[string]int // in view.volumes; nil for a short list
}

func newFinder(s *Subject) *finder {
	f := &finder{spec: s.Pod.Spec.Volumes}
	if len(s.Claims) > 0 {
		f.claims = make(map[string]bool, len(s.Claims))
		for _, claim := range s.Claims {
			f.claims[claim] = true
		}
	}
	if len(f.spec) > fewVolumes {
		f.named = make(map[string]int, len(f.spec))
		for i := range f.spec {
			if first, found := f.named[f.spec[i].Name]; found {
				f.named[f.spec[i].Name] = ^max(first, ^first) // a second one of the name
			} else {
				f.named[f.spec[i].Name] = i
			}
		}
	}
	return f
}

// inSpec returns the place of a volume in the spec; -1 if it has none. An API server rejects
// a second volume of the name; offline, nobody can say which is mounted, and ok is false.
func (f *finder) inSpec(name string) (index int, ok bool) {
	if f.named != nil {
		i, found := f.named[name]
		switch {
		case !found:
			return -1, true
		case i < 0:
			return ^i, false
		default:
			return i, true
		}
	}
	index, ok = -1, true
	for i := range f.spec {
		if f.spec[i].Name == name {
			ok = index < 0
			index = i
		}
	}
	return index, ok
}

// seen returns the place in v.volumes of a volume; -1 if it has not been read.
func (v *view) seen(name string, f *finder) int {
	if f.seen == nil {
		return slices.IndexFunc(v.volumes, func(vol volume) bool { return vol.name == name })
	}
	if i, found := f.seen[name]; found {
		return i
	}
	return -1
}

// volumeOf returns the place in v.volumes of a volume, which is read when it is first asked
// for.
func (v *view) volumeOf(name string, f *finder) int {
	if i := v.seen(name, f); i >= 0 {
		return i
	}
	index, ok := f.inSpec(name)
	vol := volume{name: name, index: index, claim: f.claims[name]}
	if index >= 0 && ok {
		source := &f.spec[index]
		vol.memory = source.EmptyDir != nil && source.EmptyDir.Medium == corev1.StorageMediumMemory
		if source.HostPath != nil {
			vol.hostPath = cleanMountPath(source.HostPath.Path)
		}
		if vol.memory && source.EmptyDir.SizeLimit != nil {
			vol.size = sizing.BytesOf(*source.EmptyDir.SizeLimit)
		}
		if vol.size >= MaxQuantity { // no node has the memory: it bounds nothing
			vol.size = 0
		}
	}
	vol.written = vol.size
	v.volumes = append(v.volumes, vol)
	if len(v.volumes) > fewVolumes {
		f.remember(v.volumes)
	}
	return len(v.volumes) - 1
}

func (f *finder) remember(volumes []volume) {
	if f.seen != nil {
		f.seen[volumes[len(volumes)-1].name] = len(volumes) - 1
		return
	}
	f.seen = make(map[string]int, 4*len(volumes))
	for i := range volumes {
		f.seen[volumes[i].name] = i
	}
}

// markVolumes notes which volumes the writers can use, and which are mounted elsewhere too.
func (v *view) markVolumes(find *finder) {
	if len(v.mounts) == 0 {
		return
	}
	last := make([]int, len(v.volumes)) // the container after the last one that uses a volume
	for i := range v.mounts {
		v.step()
		m := &v.mounts[i]
		if !v.mustHave(m) || !m.usable() {
			continue
		}
		if m.below {
			v.volumes[m.volume].below = true
		} else {
			v.volumes[m.volume].at = true
		}
		if last[m.volume] <= m.container {
			last[m.volume] = m.container + 1
			v.writerVolumes = append(v.writerVolumes, writerVolume{container: m.container, volume: m.volume})
		}
	}
	for i := range v.containers {
		for j := range v.containers[i].source.VolumeMounts {
			v.step()
			m := &v.containers[i].source.VolumeMounts[j]
			if k := v.seen(m.Name, find); k >= 0 && v.volumes[k].elsewhere == "" &&
				placeOf(m.MountPath, v.policy.mountPath) == beside {
				v.volumes[k].elsewhere = m.MountPath
			}
		}
	}
}

// mustHave reports whether a mount is one of a container that must have the volume.
func (v *view) mustHave(m *mount) bool {
	c := &v.containers[m.container]
	return c.writer && !c.hostShm
}

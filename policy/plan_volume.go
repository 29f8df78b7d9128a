package policy

import (
	"regexp"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// volumeName is the name of the volume that a mutation adds.
const volumeName = "shmkeeper-shm"

// planResizes sets the size of the Memory emptyDirs that the writers have at the mount path, as
// the policy's `existing` says. No size ever falls, but for a volume without sizeLimit under
// SetLimit.
func (v *view) planResizes(p *Plan) {
	how := v.policy.existing
	if how != v1alpha1.ExistingEnlarge && how != v1alpha1.ExistingSetLimit {
		return
	}
	for i := range v.volumes {
		vol := &v.volumes[i]
		if !vol.memory || !vol.at {
			continue
		}
		size := vol.size
		switch {
		case vol.size == 0:
			// What else is mounted from the volume may need more than the policy knows of.
			if how == v1alpha1.ExistingSetLimit && !v.size.noBasis && vol.elsewhere == "" {
				size = v.size.Limit
			}
		case vol.size < v.size.Minimum:
			size = v.size.Limit
		case vol.size%v.pageSize() != 0:
			size = vol.size.RoundUp(sizing.MiB)
		}
		if size != vol.size {
			p.resizes = append(p.resizes, resize{index: vol.index, name: vol.name, from: vol.size, to: size})
			vol.size = size
		}
	}
}

func (v *view) pageSize() sizing.Bytes {
	if v.policy.model == nil {
		return 4 * sizing.KiB
	}
	return v.policy.model.bounds.PageSize
}

// planMounts gives a new volume to the writers that have none. All containers that mount
// nothing at /dev/shm share one /dev/shm without shmkeeper, so there they all get it; at
// another path nothing was shared, and only the writers get it. Nobody gets a volume that
// another container mounts on its own.
func (v *view) planMounts(p *Plan) {
	if !v.needsVolume() || v.shares() && v.remounter() >= 0 {
		return
	}
	v.volumes = append(v.volumes, v.newVolume())
	at := len(v.volumes) - 1
	p.volume = &v.volumes[at]
	for i := range v.containers {
		c := &v.containers[i]
		if !c.needsVolume() && !(v.shares() && c.shares()) {
			continue
		}
		p.mounts = append(p.mounts, c)
		c.mounted = true
		v.mounts = append(v.mounts, mount{container: i, volume: at})
		if c.writer {
			v.writerVolumes = append(v.writerVolumes, writerVolume{container: i, volume: at})
		}
	}
}

// shares reports whether the containers that mount nothing at the mount path have one and the
// same file system there.
func (v *view) shares() bool { return v.policy.mountPath == runtimeShm }

func (v *view) newVolume() volume {
	return volume{
		name: v.freeVolumeName(), index: len(v.subject.Pod.Spec.Volumes), memory: true, at: true, path: v.policy.mountPath,
		size: v.newSize(),
	}
}

// runtimeSize returns how large the runtime makes what the writers would have without a volume,
// in bytes: 0 if that is not tmpfs of its own.
func (v *view) runtimeSize() sizing.Bytes {
	if !v.shares() {
		return 0
	}
	_, asked := v.crioSize()
	return max(sizing.DefaultShm, asked)
}

// crioAnnotations are those by which a Pod tells CRI-O how large its /dev/shm is to be, if
// CRI-O's configuration allows them. No other runtime reads them.
var crioAnnotations = [...]string{"shm-size.crio.io", "io.kubernetes.cri-o.ShmSize"}

// crioSize returns the annotation that asks CRI-O for a size, and the size in bytes; 0 if none
// does, or in a way that cannot be read.
func (v *view) crioSize() (annotation string, size sizing.Bytes) {
	annotations := v.subject.Pod.Metadata.Annotations
	if len(annotations) == 0 || !v.shares() {
		return "", 0
	}
	for _, name := range crioAnnotations {
		if q, ok := parseShmSize(annotations[name]); ok {
			if asked := sizing.BytesOf(q); asked > size && asked <= MaxQuantity {
				annotation, size = name, asked
			}
		}
	}
	return annotation, size
}

// parseShmSize reads any quantity, as CRI-O does, but for exponents that no memory has.
func parseShmSize(text string) (q resource.Quantity, ok bool) {
	if len(text) > longestOverride || !shmSizePattern.MatchString(text) {
		return resource.Quantity{}, false
	}
	q, err := resource.ParseQuantity(text)
	return q, err == nil
}

var shmSizePattern = regexp.MustCompile(`^[+]?[0-9]+([.][0-9]*)?([KMGTP]i|[kMGTP]|[eE][+]?[0-9]{1,2})?$`)

// payable returns the largest volume that the policy pays for, in bytes: nobody gets more
// memory by a larger sizeLimit or by an annotation for the runtime.
func (v *view) payable() sizing.Bytes {
	if v.shares() {
		return max(v.size.Limit, sizing.DefaultShm)
	}
	return v.size.Limit
}

func (v *view) freeVolumeName() string {
	taken := map[string]bool{}
	for i := range v.subject.Pod.Spec.Volumes {
		taken[v.subject.Pod.Spec.Volumes[i].Name] = true
	}
	for _, claim := range v.subject.Claims {
		taken[claim] = true
	}
	for i := range v.volumes { // a mount may name a volume that does not exist
		taken[v.volumes[i].name] = true
	}
	name := volumeName
	for n := 2; taken[name]; n++ {
		name = volumeName + "-" + strconv.Itoa(n)
	}
	return name
}

package policy_test

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// place returns where a path leads, from the root, without its first slash.
func place(written string) string {
	var at []string
	for _, part := range strings.Split(written, "/") {
		switch part {
		case "", ".":
		case "..":
			at = at[:max(0, len(at)-1)]
		default:
			at = append(at, part)
		}
	}
	return strings.Join(at, "/")
}

func at(written, mountPath string) bool { return place(written) == place(mountPath) }

func below(written, mountPath string) bool {
	return strings.HasPrefix(place(written), place(mountPath)+"/")
}

func mountsAt(c *corev1.Container, mountPath string) []corev1.VolumeMount {
	var out []corev1.VolumeMount
	for _, m := range c.VolumeMounts {
		if at(m.MountPath, mountPath) {
			out = append(out, m)
		}
	}
	return out
}

func mountsBelow(c *corev1.Container, mountPath string) []corev1.VolumeMount {
	var out []corev1.VolumeMount
	for _, m := range c.VolumeMounts {
		if below(m.MountPath, mountPath) {
			out = append(out, m)
		}
	}
	return out
}

func deviceAt(c *corev1.Container, mountPath string) bool {
	return slices.ContainsFunc(
		c.VolumeDevices,
		func(d corev1.VolumeDevice) bool { return at(d.DevicePath, mountPath) },
	)
}

// volume returns a volume of the Pod; nil if there is none, or more than one.
func volume(pod *corev1.Pod, name string) *corev1.Volume {
	var found *corev1.Volume
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].Name == name {
			if found != nil {
				return nil
			}
			found = &pod.Spec.Volumes[i]
		}
	}
	return found
}

// memoryVolume returns the source of a Memory emptyDir; nil for anything else.
func memoryVolume(pod *corev1.Pod, name string) *corev1.EmptyDirVolumeSource {
	if v := volume(pod, name); v != nil && v.EmptyDir != nil &&
		v.EmptyDir.Medium == corev1.StorageMediumMemory {
		return v.EmptyDir
	}
	return nil
}

// sizeLimit returns a volume's size limit; 0 for none.
func sizeLimit(e *corev1.EmptyDirVolumeSource) int64 {
	if e == nil || e.SizeLimit == nil {
		return 0
	}
	return bytesOf(*e.SizeLimit)
}

// nodeShm reports whether a volume is the node's /dev/shm or something in it.
func nodeShm(v *corev1.Volume) bool {
	return v != nil && v.HostPath != nil &&
		(at(v.HostPath.Path, "/dev/shm") || below(v.HostPath.Path, "/dev/shm"))
}

// onNode reports whether a container uses the node's /dev/shm.
func onNode(pod *corev1.Pod, c *corev1.Container, mountPath string) bool {
	mounts := mountsAt(c, mountPath)
	if len(mounts) == 0 {
		return pod.Spec.HostIPC && mountPath == "/dev/shm"
	}
	for _, m := range mounts {
		if !nodeShm(volume(pod, m.Name)) {
			return false
		}
	}
	return true
}

// crioSize returns what CRI-O's annotations ask for; 0 for nothing.
func crioSize(pod *corev1.Pod) int64 {
	var size int64
	for _, name := range []string{"io.kubernetes.cri-o.ShmSize", "shm-size.crio.io"} {
		if q, err := resource.ParseQuantity(pod.Annotations[name]); err == nil {
			size = max(size, bytesOf(q))
		}
	}
	return size
}

// effective returns how large a container finds the mount path: what the runtime gives it where it
// mounts nothing, or the least of the tmpfs that it mounts there. known is false for anything else.
func effective(pod *corev1.Pod, c *corev1.Container, mountPath string) (size int64, known bool) {
	mounts := mountsAt(c, mountPath)
	switch {
	case deviceAt(c, mountPath) || onNode(pod, c, mountPath):
		return 0, false
	case len(mounts) == 0 && mountPath == "/dev/shm":
		return max(runtimeShm, crioSize(pod)), true
	case len(mounts) == 0:
		return 0, false
	}
	size = endless
	for _, m := range mounts {
		e := memoryVolume(pod, m.Name)
		if e == nil {
			return 0, false
		}
		size = min(size, mountedSize(pod, e))
	}
	return size, true
}

// shares returns what two containers must have in common to see the same files at the mount path.
func shares(c *corev1.Container, mountPath string) string {
	var out []string
	for _, m := range mountsAt(c, mountPath) {
		out = append(out, m.Name+":"+m.SubPath+":"+m.SubPathExpr)
	}
	if len(out) == 0 {
		return "runtime"
	}
	return strings.Join(out, ",")
}

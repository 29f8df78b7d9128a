package inspect

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// DevShm is where the container runtime mounts its own tmpfs.
const DevShm = "/dev/shm"

// Mount is a tmpfs of a Pod: one of its Memory emptyDirs, or the runtime's own /dev/shm.
type Mount struct {
	// Volume is the name of the emptyDir; empty for the runtime's own /dev/shm.
	Volume string
	// Path is where the containers below see it.
	Path string
	// Containers are the names of the containers that see it there, in the Pod's order: regular ones,
	// then sidecars.
	Containers []string
	// SizeLimit is the emptyDir's, and 64 MiB for the runtime's own; 0 for none.
	SizeLimit sizing.Bytes
}

// Mounts returns the tmpfs mounts that the running containers of a Pod see, /dev/shm first. A
// volume that is mounted at several paths is there once. A Pod that uses the node's /dev/shm
// (hostIPC) has none of its own there, and one for Windows has none at all.
func Mounts(pod *corev1.Pod) []Mount {
	if pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows {
		return nil
	}
	memory := map[string]sizing.Bytes{}
	for i := range pod.Spec.Volumes {
		if e := pod.Spec.Volumes[i].EmptyDir; e != nil && e.Medium == corev1.StorageMediumMemory {
			limit := sizing.Bytes(0)
			if e.SizeLimit != nil {
				limit = sizing.BytesOf(*e.SizeLimit)
			}
			memory[pod.Spec.Volumes[i].Name] = limit
		}
	}
	var out []Mount
	for _, c := range lastingContainers(pod) {
		covered := false
		for _, m := range c.VolumeMounts {
			at := path.Clean(m.MountPath)
			covered = covered || at == DevShm
			if limit, ok := memory[m.Name]; ok && m.SubPath == "" && m.SubPathExpr == "" {
				out = add(out, Mount{Volume: m.Name, Path: at, SizeLimit: limit}, c.Name)
			}
		}
		if !covered && !pod.Spec.HostIPC {
			out = add(out, Mount{Path: DevShm, SizeLimit: sizing.DefaultShm}, c.Name)
		}
	}
	slices.SortStableFunc(out, func(a, b Mount) int { return rank(a) - rank(b) })
	return out
}

// rank orders mounts: what is at /dev/shm comes first.
func rank(m Mount) int {
	if m.Path == DevShm {
		return 0
	}
	return 1
}

// add appends a container to the mount of its volume, which it first adds if there is none yet.
func add(mounts []Mount, m Mount, container string) []Mount {
	i := slices.IndexFunc(mounts, func(other Mount) bool { return other.Volume == m.Volume })
	switch {
	case i < 0:
		m.Containers = []string{container}
		return append(mounts, m)
	case mounts[i].Path == m.Path && !slices.Contains(mounts[i].Containers, container):
		mounts[i].Containers = append(mounts[i].Containers, container)
	}
	return mounts
}

// lastingContainers returns the regular containers and the sidecars.
func lastingContainers(pod *corev1.Pod) []*corev1.Container {
	var out []*corev1.Container
	for i := range pod.Spec.Containers {
		out = append(out, &pod.Spec.Containers[i])
	}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			out = append(out, c)
		}
	}
	return out
}

// container returns the container of a name; nil if there is none.
func container(pod *corev1.Pod, name string) *corev1.Container {
	for _, c := range lastingContainers(pod) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// MemoryLimit returns the memory limit that the containers of a mount share with all that they
// write there: the least of theirs and the Pod's own; 0 if there is none.
func MemoryLimit(pod *corev1.Pod, m Mount) sizing.Bytes {
	least := sizing.Bytes(0)
	consider := func(limits corev1.ResourceList) {
		if q, ok := limits[corev1.ResourceMemory]; ok {
			if n := sizing.BytesOf(q); least == 0 || n < least {
				least = n
			}
		}
	}
	if pod.Spec.Resources != nil {
		consider(pod.Spec.Resources.Limits)
	}
	for _, name := range m.Containers {
		if c := container(pod, name); c != nil {
			consider(c.Resources.Limits)
		}
	}
	return least
}

// Running reports whether a container of a Pod runs, ephemeral ones included.
func Running(pod *corev1.Pod, name string) bool {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return list[i].State.Running != nil
			}
		}
	}
	return false
}

// String names a mount for people: "/dev/shm (volume "shm")".
func (m Mount) String() string {
	var b strings.Builder
	b.WriteString(m.Path)
	if m.Volume == "" {
		b.WriteString(" (the container runtime's own)")
	} else {
		b.WriteString(" (volume " + m.Volume + ")")
	}
	return b.String()
}

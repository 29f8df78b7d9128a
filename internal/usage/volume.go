package usage

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Volume is a Memory emptyDir at the mount path of a policy, of a Pod that runs on a node.
type Volume struct {
	VolumeKey
	// Namespace, Pod and Node are names.
	Namespace, Pod, Node string
	// Workload is the Pod's, as Kind/name.
	Workload string
	// Policy decides about the Pod, and Size is what it computes for it.
	Policy policy.Policy
	Size   sizing.Size
	// Mount is how the Pod mounts the volume, and the memory limits that it counts against.
	Mount policy.MemoryVolume
	// Started is when the kubelet accepted the Pod: soon after, the volume is made. Zero if it has
	// not.
	Started metav1.Time
}

// VolumesOf returns the Memory emptyDirs of a Pod at the mount path of the policy that decides
// about it. There are none for a Pod that is on no node, or has ended: its volumes are then gone
// or will be.
func VolumesOf(policies policy.Set, pod *corev1.Pod, namespaceLabels map[string]string) []Volume {
	if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return nil
	}
	subject, _ := policy.NewSubject(pod)
	subject.NamespaceLabels = namespaceLabels
	decides, size, mounts := policies.MemoryVolumes(subject)
	var out []Volume
	for i := range mounts {
		v := Volume{
			VolumeKey: VolumeKey{PodUID: string(pod.UID), Volume: mounts[i].Name},
			Namespace: pod.Namespace, Pod: pod.Name, Node: pod.Spec.NodeName,
			Workload: policy.TopWorkloadOf(&subject.Pod.Metadata),
			Policy:   decides, Size: size, Mount: mounts[i],
		}
		if pod.Status.StartTime != nil {
			v.Started = *pod.Status.StartTime
		}
		out = append(out, v)
	}
	return out
}

// Outlook returns what the policy declares of the files, for a forecast.
func (v *Volume) Outlook() Outlook {
	files, _, _ := v.Policy.Files()
	return Outlook{Retention: files.Retention, SweepInterval: files.SweepInterval}
}

// OOM says how far a Pod is from being OOM-killed.
type OOM struct {
	// Distance is how many bytes can still be charged, of the writer that is closest to its limit,
	// or of the Pod; negative if more is charged than the limit.
	Distance int64
	// BeforeFull reports whether the memory is used up before the volume is full.
	BeforeFull bool
}

// OOM returns how far the Pod is from being OOM-killed by what is written to the volume. What
// counts is the working set, which holds the pages of every tmpfs: the kernel cannot drop them.
// free is how many bytes the volume has left; their files cost kernel memory too. ok is false
// without a memory limit, or without figures.
func (v *Volume) OOM(memory *PodMemory, free int64) (out OOM, ok bool) {
	closest := func(limit, used int64) {
		if limit > 0 && used > 0 && (!ok || limit-used < out.Distance) {
			out.Distance, ok = limit-used, true
		}
	}
	closest(int64(v.Mount.PodLimit), memory.Pod)
	for _, w := range v.Mount.Writers {
		closest(int64(w.Limit), memory.Containers[w.Container])
	}
	out.BeforeFull = ok && int64(v.Size.MemoryCostOf(sizing.Bytes(max(0, free)))) > out.Distance
	return out, ok
}

package kubelet

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

const shm = "/dev/shm"

// generator makes Pods. Its lists favour what decides: no value, zero, values that
// are equal or close, and spellings that are not whole.
type generator struct{ *rand.Rand }

func oneOf[T any](g generator, list ...T) T { return list[g.IntN(len(list))] }

// memory returns a quantity as text, most often of the size of the volumes; empty for
// none. The limits of a Pod stay within 63 bits in sum: beyond, the kubelet's own
// sum wraps round.
func (g generator) memory() string {
	return oneOf(g, "", "0", "1500m", "1e3", "64Mi", "100M", "131Mi", "256Mi", "256Mi", "300000000", "512Mi", "1.5Gi", "1e10", "1Ei")
}

func list(cpu, memory string) corev1.ResourceList {
	out := corev1.ResourceList{}
	if cpu != "" {
		out[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory != "" {
		out[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// resources returns limits and requests, whose requests are mostly within the limits.
func (g generator) resources(sized bool) corev1.ResourceRequirements {
	memory, cpu := g.memory(), oneOf(g, "", "0", "100m", "1")
	if sized { // every second Pod has a limit everywhere
		memory = oneOf(g, "64Mi", "100M", "256Mi", "300000000", "512Mi", "1.5Gi")
	}
	out := corev1.ResourceRequirements{Limits: list(cpu, memory)}
	switch g.IntN(4) {
	case 0:
		out.Requests = list(cpu, memory)
	case 1:
		out.Requests = list(oneOf(g, "", cpu, "10m"), oneOf(g, "", "0", "1e3", "32Mi"))
	}
	return out
}

// podLevel returns pod-level resources, of which each part may be missing.
func (g generator) podLevel() *corev1.ResourceRequirements {
	if g.IntN(3) > 0 {
		return nil
	}
	memory := oneOf(g, "", "", "0", "256Mi", "1Gi", "2.5Gi", "1e10")
	out := &corev1.ResourceRequirements{Limits: list(oneOf(g, "", "", "4"), memory)}
	switch g.IntN(4) {
	case 0:
		out.Requests = out.Limits.DeepCopy()
	case 1:
		out.Requests = list(oneOf(g, "", "3"), oneOf(g, "", "64Mi", "1Gi", "2Gi"))
	case 2:
		out.Requests = list("", oneOf(g, "512Mi", "2Gi"))
		out.Limits = nil
	}
	return out
}

func (g generator) pod() *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "n"}}
	p.Spec.Volumes = []corev1.Volume{{Name: "shm", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: g.sizeLimit()},
	}}}
	sized, mounted := g.IntN(2) == 0, g.IntN(2) == 0
	guaranteed := g.IntN(6) == 0
	add := func(name string) corev1.Container {
		c := corev1.Container{Name: name, Image: "example:1", Resources: g.resources(sized)}
		if guaranteed {
			c.Resources = corev1.ResourceRequirements{Limits: list("1", oneOf(g, "64Mi", "256Mi", "1.5Gi"))}
			if g.IntN(2) == 0 {
				c.Resources.Requests = c.Resources.Limits.DeepCopy()
			}
		}
		if mounted && g.IntN(2) == 0 {
			c.VolumeMounts = []corev1.VolumeMount{{Name: "shm", MountPath: shm}}
		}
		return c
	}
	for i := range g.IntN(3) {
		c := add(fmt.Sprintf("init-%d", i))
		if g.IntN(2) == 0 {
			c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		}
		p.Spec.InitContainers = append(p.Spec.InitContainers, c)
	}
	for i := range 1 + g.IntN(3) {
		p.Spec.Containers = append(p.Spec.Containers, add(fmt.Sprintf("app-%d", i)))
	}
	if g.IntN(8) == 0 { // best effort
		for i := range p.Spec.InitContainers {
			p.Spec.InitContainers[i].Resources = corev1.ResourceRequirements{}
		}
		for i := range p.Spec.Containers {
			p.Spec.Containers[i].Resources = corev1.ResourceRequirements{}
		}
	} else {
		p.Spec.Resources = g.podLevel()
	}
	p.Spec.Overhead = list(oneOf(g, "", "", "100m"), oneOf(g, "", "", "0", "50Mi", "1500m"))
	return p
}

func (g generator) sizeLimit() *resource.Quantity {
	text := oneOf(g, "", "0", "1500m", "100001", "64Mi", "131Mi", "256Mi", "1.5Gi", "1e10", "8Ei", "1e19", "1e25", "1e400")
	if text == "" {
		return nil
	}
	return new(resource.MustParse(text))
}

func (g generator) allocatable() sizing.Bytes {
	return oneOf(g, 100*sizing.MiB, sizing.GiB, 64*sizing.GiB, 1<<50)
}

func eachContainer(spec *corev1.PodSpec, f func(*corev1.Container, bool)) {
	for i := range spec.InitContainers {
		f(&spec.InitContainers[i], true)
	}
	for i := range spec.Containers {
		f(&spec.Containers[i], false)
	}
}

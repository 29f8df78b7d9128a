package policytest

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// PodOption changes a Pod. A test can pass a function of its own if this package has no option for it.
type PodOption func(*corev1.Pod)

// ContainerOption changes a container.
type ContainerOption func(*corev1.Container)

// NewPod returns a Pod with what the options give it, in their order. Without any it has a name
// alone.
func NewPod(name string, options ...PodOption) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return With(pod, options...)
}

// With applies options to a Pod, and returns it.
func With(pod *corev1.Pod, options ...PodOption) *corev1.Pod {
	for _, o := range options {
		o(pod)
	}
	return pod
}

// ParsePod returns a Pod from YAML. It panics if that is not valid, since it is written in a test.
func ParsePod(text string, options ...PodOption) *corev1.Pod {
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(text), pod); err != nil {
		panic(err)
	}
	return With(pod, options...)
}

// Namespace puts the Pod into a namespace.
func Namespace(name string) PodOption {
	return func(pod *corev1.Pod) { pod.Namespace = name }
}

// Labels replaces the labels.
func Labels(labels map[string]string) PodOption {
	return func(pod *corev1.Pod) { pod.Labels = labels }
}

// WithContainer adds a container.
func WithContainer(name, image string, options ...ContainerOption) PodOption {
	return func(pod *corev1.Pod) {
		pod.Spec.Containers = append(pod.Spec.Containers, newContainer(name, image, options))
	}
}

// WithInit adds an init container.
func WithInit(name, image string, options ...ContainerOption) PodOption {
	return func(pod *corev1.Pod) {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, newContainer(name, image, options))
	}
}

// WithSidecar adds an init container that goes on running.
func WithSidecar(name, image string, options ...ContainerOption) PodOption {
	return func(pod *corev1.Pod) {
		c := newContainer(name, image, options)
		c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
}

func newContainer(name, image string, options []ContainerOption) corev1.Container {
	c := corev1.Container{Name: name, Image: image}
	for _, o := range options {
		o(&c)
	}
	return c
}

// WithMemoryVolume adds a Memory emptyDir; without a size limit if that is empty.
func WithMemoryVolume(name, sizeLimit string) PodOption {
	return func(pod *corev1.Pod) {
		source := &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
		if sizeLimit != "" {
			source.SizeLimit = new(resource.MustParse(sizeLimit))
		}
		pod.Spec.Volumes = append(pod.Spec.Volumes,
			corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: source}})
	}
}

// MemoryLimit sets the memory limit of a container; none if it is empty.
func MemoryLimit(limit string) ContainerOption {
	return func(c *corev1.Container) { setMemory(&c.Resources.Limits, limit) }
}

// MemoryRequest sets the memory request of a container; none if it is empty.
func MemoryRequest(request string) ContainerOption {
	return func(c *corev1.Container) { setMemory(&c.Resources.Requests, request) }
}

func setMemory(list *corev1.ResourceList, quantity string) {
	if quantity == "" {
		return
	}
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[corev1.ResourceMemory] = resource.MustParse(quantity)
}

// Mount mounts a volume.
func Mount(volume, path string) ContainerOption {
	return func(c *corev1.Container) {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volume, MountPath: path})
	}
}

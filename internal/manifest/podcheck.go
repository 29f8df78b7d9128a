package manifest

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// CheckPod finds the mistakes for which the API server would refuse a Pod and which would make any statement about its shared
// memory misleading: no containers, names of volumes or containers given twice, two mounts at one path, a mount of a
// volume that is not there, and memory that is negative, uncountable, or requested above its limit. path is that of the
// spec, such as "spec.template.spec". claims names further volumes that mounts may use: those of a StatefulSet's
// volumeClaimTemplates. All that is found is joined, each an *Error; paths of mounts are compared as they are spelled. The Pod must
// come from Decode, which refuses quantities that are too costly to compare.
func CheckPod(path string, spec *corev1.PodSpec, claims ...string) error {
	if spec == nil {
		return &Error{Path: path, Problem: "is missing", Remedy: "give the Pod its containers there"}
	}
	c := &podChecker{volumes: map[string]bool{}, containers: map[string]bool{}}
	for _, name := range claims {
		c.volumes[name] = true
	}
	c.volumeList(member(path, "volumes"), spec.Volumes)
	if spec.Resources != nil {
		c.resources(member(path, "resources"), *spec.Resources)
	}
	if len(spec.Containers) == 0 {
		c.add(member(path, "containers"), "there are no containers", "give at least one")
	}
	for i, container := range spec.InitContainers {
		c.container(element(member(path, "initContainers"), i), container)
	}
	for i, container := range spec.Containers {
		c.container(element(member(path, "containers"), i), container)
	}
	for i, container := range spec.EphemeralContainers {
		c.container(element(member(path, "ephemeralContainers"), i), corev1.Container(container.EphemeralContainerCommon))
	}
	return join(c.found)
}

type podChecker struct {
	volumes    map[string]bool
	containers map[string]bool
	found      []*Error
}

func (c *podChecker) add(path, problem, remedy string) {
	c.found = append(c.found, &Error{Path: path, Problem: problem, Remedy: remedy})
}

func (c *podChecker) volumeList(path string, volumes []corev1.Volume) {
	seen := map[string]bool{}
	for i, v := range volumes {
		at := element(path, i)
		if seen[v.Name] {
			c.add(member(at, "name"), quote(v.Name)+" is the name of another volume too", "rename one of them")
		}
		// A volume hides the claim of its name: the StatefulSet controller puts the claim in its place.
		seen[v.Name], c.volumes[v.Name] = true, true
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
			c.bytes(member(member(at, "emptyDir"), "sizeLimit"), *v.EmptyDir.SizeLimit)
		}
	}
}

func (c *podChecker) container(path string, container corev1.Container) {
	if c.containers[container.Name] {
		c.add(member(path, "name"), quote(container.Name)+" is the name of another container too", "rename one of them")
	}
	c.containers[container.Name] = true
	c.resources(member(path, "resources"), container.Resources)
	mounted := map[string]bool{}
	for i, m := range container.VolumeMounts {
		at := element(member(path, "volumeMounts"), i)
		if !c.volumes[m.Name] {
			c.add(member(at, "name"), quote(m.Name)+" is the name of no volume", "add the volume or mend the name")
		}
		if mounted[m.MountPath] {
			c.add(member(at, "mountPath"), quote(m.MountPath)+" is the path of another mount too", "remove one of them")
		}
		mounted[m.MountPath] = true
	}
}

func (c *podChecker) resources(path string, r corev1.ResourceRequirements) {
	request, requested := r.Requests[corev1.ResourceMemory]
	limit, limited := r.Limits[corev1.ResourceMemory]
	sound := true
	if requested {
		sound = c.bytes(member(member(path, "requests"), "memory"), request)
	}
	if limited {
		sound = c.bytes(member(member(path, "limits"), "memory"), limit) && sound
	}
	if requested && limited && sound && request.Cmp(limit) > 0 {
		c.add(member(member(path, "requests"), "memory"), quote(request.String())+" is above the limit "+quote(limit.String()), "raise the limit or lower the request")
	}
}

// bytes reports whether a quantity is sound, and adds what is wrong with it.
func (c *podChecker) bytes(path string, q resource.Quantity) bool {
	e := checkBytes(path, q.String(), q)
	if e != nil {
		c.found = append(c.found, e)
	}
	return e == nil
}

package manifest

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

const quantityRemedy = "write a quantity such as 512Mi"

var largestBytes = resource.MustParse("9223372036854775807")

// CheckQuantity validates a quantity of bytes: it must parse, must not be negative, and must fit the
// 63 bits that Kubernetes counts bytes in. resource.ParseQuantity alone takes 1e400, whose Value is
// then 0, and lowers 8Ei by one. The error is an *Error with the path.
func CheckQuantity(path, value string) error {
	if sizing.IsExcessive(value) {
		return &Error{Path: path, Problem: yamledit.Quote(value) + " is beyond what Kubernetes can count", Remedy: quantityRemedy}
	}
	q, err := resource.ParseQuantity(value)
	if err != nil {
		return &Error{Path: path, Problem: yamledit.Quote(value) + " is not a quantity", Remedy: quantityRemedy}
	}
	if problem := whyNotBytes(q); problem != "" {
		return &Error{Path: path, Problem: yamledit.Quote(value) + problem, Remedy: quantityRemedy}
	}
	return nil
}

// whyNotBytes says why a quantity is not a number of bytes; empty if it is one.
func whyNotBytes(q resource.Quantity) string {
	// A binary quantity at the very bound was more and has been lowered to it by the parser.
	n := q.Cmp(largestBytes)
	switch {
	case q.Sign() < 0:
		return " is negative"
	case n > 0 || n == 0 && q.Format == resource.BinarySI:
		return " is beyond what Kubernetes can count"
	}
	return ""
}

// CheckPod finds the mistakes for which the API server would reject a Pod and which would make any
// statement about its shared memory misleading: no containers, names of volumes or containers given
// twice, two mounts at one path, a mount of a volume that is not there, and memory that is negative,
// uncountable, or requested above its limit. path is that of the spec in the object, such as
// "spec.template.spec"; in an Object without a document errors have no line. claims names further
// volumes that mounts may use: those of a StatefulSet's volumeClaimTemplates. All that is found is
// joined, each an *Error; paths of mounts are compared as they are spelled. The Pod must come from
// Decode, which rejects quantities that are too costly to compare.
func CheckPod(o Object, path string, spec *corev1.PodSpec, claims ...string) error {
	if spec == nil {
		return o.ErrorAt(path, "is missing", "give the Pod its containers there")
	}
	c := &podChecker{object: o, volumes: map[string]bool{}, containers: map[string]bool{}}
	for _, name := range claims {
		c.volumes[name] = true
	}
	seen := map[string]bool{}
	for i, v := range spec.Volumes {
		at := yamledit.Element(yamledit.Member(path, "volumes"), i)
		c.unique(seen, at+".name", v.Name, "name of another volume", "rename one of them")
		// A volume hides the claim of its name: the StatefulSet controller puts the claim in its place.
		c.volumes[v.Name] = true
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
			c.bytes(at+".emptyDir.sizeLimit", *v.EmptyDir.SizeLimit)
		}
	}
	if spec.Resources != nil {
		c.resources(yamledit.Member(path, "resources"), *spec.Resources)
	}
	if len(spec.Containers) == 0 {
		c.add(yamledit.Member(path, "containers"), "there are no containers", "give at least one")
	}
	for i, container := range spec.InitContainers {
		c.container(yamledit.Element(yamledit.Member(path, "initContainers"), i), container)
	}
	for i, container := range spec.Containers {
		c.container(yamledit.Element(yamledit.Member(path, "containers"), i), container)
	}
	for i, container := range spec.EphemeralContainers {
		c.container(yamledit.Element(yamledit.Member(path, "ephemeralContainers"), i), corev1.Container(container.EphemeralContainerCommon))
	}
	return join(c.found)
}

type podChecker struct {
	object     Object
	volumes    map[string]bool
	containers map[string]bool
	found      []error
}

func (c *podChecker) add(path, problem, remedy string) {
	c.found = append(c.found, c.object.ErrorAt(path, problem, remedy))
}

// unique adds a value to those seen, and an error if it is among them already.
func (c *podChecker) unique(seen map[string]bool, path, value, what, remedy string) {
	if seen[value] {
		c.add(path, yamledit.Quote(value)+" is the "+what+" too", remedy)
	}
	seen[value] = true
}

func (c *podChecker) container(path string, container corev1.Container) {
	c.unique(c.containers, path+".name", container.Name, "name of another container", "rename one of them")
	c.resources(path+".resources", container.Resources)
	mounted := map[string]bool{}
	for i, m := range container.VolumeMounts {
		at := yamledit.Element(path+".volumeMounts", i)
		if !c.volumes[m.Name] {
			c.add(at+".name", yamledit.Quote(m.Name)+" is not the name of a volume", "add the volume or correct the name")
		}
		c.unique(mounted, at+".mountPath", m.MountPath, "path of another mount", "remove one of them")
	}
}

func (c *podChecker) resources(path string, r corev1.ResourceRequirements) {
	request, requested := r.Requests[corev1.ResourceMemory]
	limit, limited := r.Limits[corev1.ResourceMemory]
	sound := !requested || c.bytes(path+".requests.memory", request)
	sound = (!limited || c.bytes(path+".limits.memory", limit)) && sound
	if requested && limited && sound && request.Cmp(limit) > 0 {
		c.add(path+".requests.memory", yamledit.Quote(request.String())+" is above the limit "+yamledit.Quote(limit.String()), "raise the limit or lower the request")
	}
}

// bytes reports whether a quantity is a number of bytes, and adds what is wrong with it.
func (c *podChecker) bytes(path string, q resource.Quantity) bool {
	problem := whyNotBytes(q)
	if problem != "" {
		c.add(path, yamledit.Quote(q.String())+problem, quantityRemedy)
	}
	return problem == ""
}

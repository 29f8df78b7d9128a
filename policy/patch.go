package policy

import (
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Patch returns what the plan changes in the subject that it was made for, as
// the smallest JSON patch (RFC 6902) of the whole object: it appends to lists and
// sets single fields, so that fields that this program does not know, and what
// other webhooks added meanwhile, survive. It is empty for an empty plan. The subject must have
// metadata in that JSON, as everything in a cluster has.
func (p Plan) Patch(subject Subject) []jsonpatch.Operation {
	if p.Empty() {
		return nil
	}
	spec := &subject.Pod.Spec
	b := patch{ops: make([]jsonpatch.Operation, 0, 8), root: subject.Pointer}
	for _, r := range p.resizes {
		b.add("/spec/volumes/"+strconv.Itoa(r.index)+"/emptyDir/sizeLimit", r.to.Quantity().String())
	}
	if p.volume != nil {
		b.appendTo("/spec/volumes", len(spec.Volumes) == 0, corev1.Volume{Name: p.volume.name, VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: p.volume.size.Quantity()},
		}})
	}
	for _, c := range p.mounts {
		b.appendTo(c.pointer()+"/volumeMounts", len(c.source.VolumeMounts) == 0, corev1.VolumeMount{
			Name: p.volume.name, MountPath: p.policy.mountPath, BindMountOptions: p.policy.bindMountOptions,
		})
	}
	for i := range p.memory {
		c := &p.memory[i]
		at, resources := "/spec", spec.Resources
		if c.container != nil {
			at, resources = c.container.pointer(), c.container.source.Resources
		}
		b.memory(at+"/resources", resources, c)
	}
	b.annotations(subject.Pod.Metadata.Annotations, p.annotations())
	return b.ops
}

// patch collects operations below the JSON pointer root.
type patch struct {
	ops  []jsonpatch.Operation
	root string
}

func (b *patch) add(path string, value any) {
	b.ops = append(b.ops, jsonpatch.NewOperation("add", b.root+path, value))
}

func (b *patch) replace(path string, value any) {
	b.ops = append(b.ops, jsonpatch.NewOperation("replace", b.root+path, value))
}

// appendTo appends to a list, which it makes if it is empty or absent.
func (b *patch) appendTo(list string, isEmpty bool, value any) {
	if isEmpty {
		b.add(list, []any{value})
		return
	}
	b.add(list+"/-", value)
}

func (b *patch) memory(at string, resources *corev1.ResourceRequirements, c *memoryChange) {
	if c.limitChanges() {
		b.replace(at+"/limits/memory", c.to.limit.Quantity().String())
	}
	if !c.requestChanges() {
		return
	}
	request := c.to.request.Quantity().String()
	switch {
	case c.from.namesRequest:
		b.replace(at+"/requests/memory", request)
	case resources == nil || len(resources.Requests)+len(resources.Limits)+len(resources.Claims) == 0:
		b.add(at, map[string]map[string]string{"requests": {"memory": request}})
	case len(resources.Requests) == 0:
		b.add(at+"/requests", map[string]string{"memory": request})
	default:
		b.add(at+"/requests/memory", request)
	}
}

// annotation is one that a mutation sets.
type annotation struct{ name, value string }

func (b *patch) annotations(present map[string]string, set [2]annotation) {
	if !haveRoom(present, set) {
		return
	}
	if len(present) == 0 {
		all := make(map[string]string, len(set))
		for _, a := range set {
			all[a.name] = a.value
		}
		b.add("/metadata/annotations", all)
		return
	}
	for _, a := range set {
		path := "/metadata/annotations/" + escape.Replace(a.name)
		switch was, found := present[a.name]; {
		case !found:
			b.add(path, a.value)
		case was != a.value:
			b.replace(path, a.value)
		}
	}
}

// haveRoom reports whether an API server accepts a Pod's annotations with ours: it counts all
// names and values, up to 256 KiB (ValidateAnnotationsSize in k8s.io/apimachinery).
func haveRoom(present map[string]string, set [2]annotation) bool {
	const most = 256 << 10
	total := 0
	for name, value := range present {
		total += len(name) + len(value)
	}
	for _, a := range set {
		total += len(a.name) + len(a.value) // one that is there already counts twice: it is small
	}
	return total <= most
}

// escape writes a name as a part of a JSON pointer (RFC 6901).
var escape = strings.NewReplacer("~", "~0", "/", "~1")

// pointer returns the JSON pointer from a Pod to a container that is not ephemeral.
func (c *container) pointer() string {
	list := "/spec/initContainers/"
	if c.role == regular {
		list = "/spec/containers/"
	}
	return list + strconv.Itoa(c.index)
}

// annotations returns the ones that a mutation sets, in the order of their names. They are for
// people: nothing that is decided reads them.
func (p *Plan) annotations() [2]annotation {
	return [2]annotation{
		{v1alpha1.AnnotationInjected, p.injected()},
		{v1alpha1.AnnotationPolicy, p.policy.name},
	}
}

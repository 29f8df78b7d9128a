package policy

import (
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
)

// JSONPatch is what the decision changes on the subject that it was made for, as
// the smallest JSON patch (RFC 6902) of the whole object: it appends to lists and
// sets single fields, so that fields that this program does not know, and what
// other webhooks added meanwhile, survive. It is empty for a decision that is not
// Mutated. The subject must have metadata in that JSON, as everything in a cluster
// has.
func (d Decision) JSONPatch(subject Subject) []jsonpatch.Operation {
	e := d.edit
	if e == nil {
		return nil
	}
	b := patch{ops: make([]jsonpatch.Operation, 0, 8), root: subject.Pointer}
	for _, r := range e.resizes {
		b.add("/spec/volumes/"+strconv.Itoa(r.index)+"/emptyDir/sizeLimit", r.to.Quantity().String())
	}
	if e.volume != nil {
		b.appendTo("/spec/volumes", len(subject.Spec.Volumes) == 0, *e.volume)
	}
	for _, m := range e.mounts {
		b.appendTo(m.container.pointer()+"/volumeMounts", len(m.container.of(subject.Spec).VolumeMounts) == 0, m.mount)
	}
	for _, m := range e.memory {
		at, resources := "/spec", subject.Spec.Resources
		if m.container != nil {
			at, resources = m.container.pointer(), &m.container.of(subject.Spec).Resources
		}
		b.memory(at+"/resources", resources, m)
	}
	b.annotations(subject.Meta.Annotations, e)
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

// appendTo appends to a list, which it makes where it is empty or absent.
func (b *patch) appendTo(list string, isEmpty bool, value any) {
	if isEmpty {
		b.add(list, []any{value})
		return
	}
	b.add(list+"/-", value)
}

func (b *patch) memory(at string, resources *corev1.ResourceRequirements, m changedMemory) {
	if m.limitChanges() {
		b.replace(at+"/limits/memory", m.to.limit.Quantity().String())
	}
	if !m.requestChanges() {
		return
	}
	switch request := m.to.request.Quantity().String(); {
	case m.from.hasRequest:
		b.replace(at+"/requests/memory", request)
	case len(resources.Requests) == 0:
		b.add(at+"/requests", map[string]string{"memory": request})
	default:
		b.add(at+"/requests/memory", request)
	}
}

func (b *patch) annotations(present map[string]string, e *edit) {
	set := e.annotations()
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

// escape writes a name as a part of a JSON pointer (RFC 6901).
var escape = strings.NewReplacer("~", "~0", "/", "~1")

func (r containerRef) pointer() string {
	list := "/spec/containers/"
	if r.init {
		list = "/spec/initContainers/"
	}
	return list + strconv.Itoa(r.index)
}

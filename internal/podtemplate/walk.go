package podtemplate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// surroundings is what the maps around a place say about it.
type surroundings struct {
	group, kind string // of the nearest map with an apiVersion and a kind
	suspended   bool
	queue       string
	workflow    *workflow
}

// within returns the surroundings of what is in a map.
func (s surroundings) within(m map[string]any) surroundings {
	if group, kind, ok := objectKind(m); ok {
		s.group, s.kind = group, kind
	}
	if isTrue(m["suspend"]) || isTrue(lookup(m, "runPolicy", "suspend")) {
		s.suspended = true
	}
	s.queue = cmp.Or(text(lookup(m, "metadata", "labels", queueLabel)), text(lookup(m, "metadata", "annotations", queueLabel)), s.queue)
	return s
}

type walker struct {
	values, text int  // what is left of the bounds
	done         bool // nothing else is looked at
	tooDeep      bool // has been reported
	found        []Template
	unread       []Unread
}

// spend reports whether what is left is enough for values and bytes of text, and takes them off it.
func (w *walker) spend(values, text int, p *place) bool {
	if w.done {
		return false
	}
	if w.values -= values; w.values >= 0 {
		if w.text -= text; w.text >= 0 {
			return true
		}
	}
	w.skip(p, fmt.Sprintf("is where looking ended: the object has more than %d values or %d MiB of "+
		"text: split it into several objects", maxValues, maxText>>20))
	w.done = true
	return false
}

// skip reports a place that is not read.
func (w *walker) skip(p *place, why string) {
	if w.full(p) {
		return
	}
	w.unread = append(w.unread, Unread{Pointer: p.pointer(), Why: why})
}

// full reports whether there is no room for another finding, and says so the first time.
func (w *walker) full(p *place) bool {
	if w.done {
		return true
	}
	if len(w.found)+len(w.unread) < maxFindings-1 {
		return false
	}
	w.unread = append(w.unread, Unread{Pointer: p.pointer(), Why: fmt.Sprintf(
		"is where looking ended: the object has more than %d places with containers: split it into "+
			"several objects", maxFindings-1)})
	w.done = true
	return true
}

func (w *walker) visit(value any, p *place, s surroundings) {
	if p != nil && p.length > maxPointer {
		if w.spend(1, 0, p.up) {
			w.skip(p.up, fmt.Sprintf("has a field that is not looked at, since the path to it is longer "+
				"than %d bytes: %s", maxPointer, remedy))
		}
		return
	}
	if !w.spend(1, textOf(value), p) {
		return
	}
	if p != nil && p.depth > maxDepth {
		w.skipDeep(value, p)
		return
	}
	switch value := value.(type) {
	case map[string]any:
		w.visitMap(value, p, s)
	case []any:
		w.visitList(value, p, s)
	case string:
		w.visitText(value, p)
	case map[any]any:
		w.skip(p, "has keys that are not strings, and is not looked at: put them in quotes")
	}
}

// skipDeep reports the first place that is too deep, if there can be a container in it.
func (w *walker) skipDeep(value any, p *place) {
	switch value.(type) {
	case map[string]any, []any:
	default:
		return
	}
	if !w.tooDeep {
		w.skip(p, fmt.Sprintf("is not looked at, nor is anything else below %d levels: %s", maxDepth,
			remedy))
	}
	w.tooDeep = true
}

func (w *walker) visitList(list []any, p *place, s surroundings) {
	var names []string
	for _, item := range list {
		if m, _ := item.(map[string]any); describesContainer(m) {
			names = append(names, cmp.Or(text(m["name"]), imageOf(m)))
		}
	}
	if len(names) > 0 {
		w.skip(p, fmt.Sprintf("has %s outside of any Pod template: %s", containers(names), remedy))
	}
	for i, item := range list {
		if w.done {
			return
		}
		w.visit(item, p.item(i), s)
	}
}

// visitText reports text that has another document in it, such as the manifest that an Argo
// Workflow is to create, or the Pod template in Airflow's ConfigMap.
func (w *walker) visitText(s string, p *place) {
	if p.name() == "podSpecPatch" && s != "" {
		w.skip(p, "is a patch of the Pod, as text, and is not applied: "+remedy)
		return
	}
	for _, quote := range []string{"", `"`} {
		if strings.Contains(s, quote+"containers"+quote+":") &&
			strings.Contains(s, quote+"image"+quote+":") {
			w.skip(p, "is text with containers in it, and is not read: review it as a file of its own")
			return
		}
	}
}

func (w *walker) visitMap(m map[string]any, p *place, s surroundings) {
	s = s.within(m)
	if holdsNoPods(s, m) {
		return
	}
	if isWorkflow(m) {
		s.workflow = w.workflowOf(m, p)
	}
	spec, _ := m["spec"].(map[string]any)
	main := mainContainer(m)
	switch {
	case isPodSpec(spec) && mayBeTemplate(m):
		w.addTemplate(m, spec, p, s)
		w.visitFields(m, p, s, func(key string) bool { return key == "spec" })
		w.visitFields(spec, p.field("spec"), s, isPodSpecField)
	case isPodSpec(m):
		w.addPodSpec(m, p, s)
		w.visitFields(m, p, s, isPodSpecField)
	case main != "":
		w.addContainer(m, main, p, s)
		read := []string{main, "initContainers", "sidecars", "volumes"}
		w.visitFields(m, p, s, func(key string) bool { return slices.Contains(read, key) })
	default:
		listed := p != nil && p.listed // visitList has reported it
		switch {
		case s.isServed(m):
			w.skip(p, "is served by a container of a ServingRuntime: review that, or the Pods that are "+
				"made from it (kubectl get pods -o yaml)")
		case !listed && s.kind != "ConfigMap" && describesContainer(m):
			w.skip(p, fmt.Sprintf("has the image %s outside of any Pod template: %s", quote(imageOf(m)),
				remedy))
		}
		w.visitFields(m, p, s, func(string) bool { return false })
	}
}

// visitFields visits the fields of a map that have not been read yet. The metadata of an object has
// copies of it (annotations, managedFields), and its status what runs already.
func (w *walker) visitFields(m map[string]any, p *place, s surroundings, read func(string) bool) {
	_, hasSpec := m["spec"]
	_, hasMeta := m["metadata"]
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key == "metadata" || key == "status" && (hasSpec || hasMeta) || read(key) {
			continue
		}
		if !w.spend(0, len(key), p) {
			return
		}
		w.visit(m[key], p.field(key), s)
	}
}

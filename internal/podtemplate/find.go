package podtemplate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The bounds of Find for one object. An object that is stored in a cluster has at most 1.5 MiB.
const (
	maxValues   = 500_000  // maps, lists, strings, numbers and the like that are looked at
	maxText     = 16 << 20 // bytes of the keys and strings among them
	maxDepth    = 64       // maps and lists within one another
	maxPointer  = 4 << 10  // bytes of a JSON pointer
	maxFindings = 1000     // templates and unread places together
)

// queueLabel names the Kueue queue of an object; older objects have it as an annotation.
const queueLabel = "kueue.x-k8s.io/queue-name"

// Form says how an object holds a Pod, and so whether the Pod can be changed in place.
type Form string

// The forms. A patch of a Container has nowhere to go: its Pod is put together by a controller.
const (
	// PodTemplate is a map with a PodSpec under "spec", and perhaps "metadata": a Pod itself, or the
	// template of a Deployment.
	PodTemplate Form = "PodTemplate"
	// PodSpec is a map that is a PodSpec itself, such as the predictor of an InferenceService.
	PodSpec Form = "PodSpec"
	// Container is a map with the main container under "container", "script" or "containerSet", as
	// the templates of an Argo Workflow have it. The PodSpec is put together from that, its init
	// containers and sidecars, and those of the workflow's volumes that they mount.
	Container Form = "Container"
)

// Template is a Pod template within an object.
type Template struct {
	// Pointer is the JSON pointer to the template: "/spec/template" in a Deployment, and "" in a Pod.
	Pointer string
	// Form says what is there. With PodTemplate the PodSpec is at Pointer + "/spec", with PodSpec at
	// Pointer itself.
	Form Form
	// Meta and Spec are decoded, and never nil. Fields that Kubernetes does not know are left out.
	// A container without a name has the one that Knative, KServe or Argo gives it.
	Meta *metav1.ObjectMeta
	Spec *corev1.PodSpec
	// Suspended reports whether a map around the template has suspend: true, itself or in its
	// runPolicy.
	Suspended bool
	// QueueName is the Kueue queue of the template, or else of the nearest object around it.
	QueueName string
}

// Unread is a place that has a container, or may have one, and that is not read.
type Unread struct {
	// Pointer is the JSON pointer to the place.
	Pointer string
	// Why says why, as the rest of a sentence that begins with the place, and ends in what to do
	// instead. It is at most 1 KiB long.
	Why string
}

// Find returns the Pod templates in an object that was decoded from YAML or JSON into maps with
// string keys, and the places with containers that it could not read as templates. Both are in the
// order of the sorted keys and of the lists. Each value is looked at a fixed number of times, and the
// sum is bounded: what is left out for that is an Unread as well. The object is not changed, and
// nothing that is returned shares memory with it, but templates of one workflow may share memory with
// one another.
//
// The status of an object, its metadata, and the kinds that hold no Pods are not looked at: Secret,
// CustomResourceDefinition, and ControllerRevision, whose templates are those of the past.
func Find(object map[string]any) (found []Template, unread []Unread) {
	w := walker{values: maxValues, text: maxText}
	w.visit(object, nil, surroundings{})
	return w.found, w.unread
}

// place is where the walk is: the last step of a path, and the place before it. The object itself
// is at nil.
type place struct {
	up     *place
	key    string // of a map's field
	listed bool   // an item of a list, and not a field
	index  int
	depth  int
	length int // of the pointer, at least
}

func (p *place) field(key string) *place {
	next := &place{up: p, key: key, depth: 1, length: len(key) + 1}
	if p != nil {
		next.depth, next.length = p.depth+1, p.length+len(key)+1
	}
	return next
}

func (p *place) item(index int) *place {
	next := p.field(strconv.Itoa(index))
	next.listed, next.index = true, index
	return next
}

// name returns the key that leads to a place, without indexes.
func (p *place) name() string {
	for ; p != nil; p = p.up {
		if !p.listed {
			return p.key
		}
	}
	return ""
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// pointer returns the JSON pointer of RFC 6901.
func (p *place) pointer() string {
	var steps []string
	for ; p != nil; p = p.up {
		steps = append(steps, escaper.Replace(p.key), "/")
	}
	slices.Reverse(steps)
	return strings.Join(steps, "")
}

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
	for _, where := range []string{"labels", "annotations"} {
		if queue := text(lookup(m, "metadata", where, queueLabel)); queue != "" {
			s.queue = queue
			break
		}
	}
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
		m, ok := item.(map[string]any)
		if !ok || !describesContainer(m) {
			continue
		}
		name := text(m["name"])
		if name == "" {
			name = imageOf(m)
		}
		names = append(names, name)
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
		w.visitFields(m, p, s, func(key string) bool {
			switch key {
			case main, "initContainers", "sidecars", "volumes":
				return true
			}
			return false
		})
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

// add reports a template, or why it is none.
func (w *walker) add(p *place, s surroundings, t Template, problem string) {
	switch {
	case problem != "":
		w.skip(p, problem)
	case strings.HasSuffix(s.group, "kyverno.io"):
		w.skip(p, "is a pattern of a Kyverno policy, not a workload: review the workloads that the "+
			"policy matches or makes")
	case !w.full(p):
		t.Pointer = p.pointer()
		t.Suspended = s.suspended
		t.QueueName = s.queue
		w.found = append(w.found, t)
	}
}

func (w *walker) addTemplate(m, spec map[string]any, p *place, s surroundings) {
	podSpec, problem := decode[corev1.PodSpec](w, podSpecFields(spec), p, "spec")
	var meta metav1.ObjectMeta
	if problem == "" {
		meta, problem = decode[metav1.ObjectMeta](w, m["metadata"], p, "metadata")
	}
	nameContainers(s, podSpec.Containers)
	w.add(p, s, Template{Form: PodTemplate, Meta: &meta, Spec: &podSpec}, problem)
}

func (w *walker) addPodSpec(m map[string]any, p *place, s surroundings) {
	if hasImage(m) {
		w.skip(p, fmt.Sprintf("has the image %s beside its containers: its operator puts them together: "+
			remedy, quote(imageOf(m))))
		return
	}
	fields := podSpecFields(m)
	if p != nil && p.key == "spec" {
		// What the spec of a custom kind calls resources is seldom what a PodSpec calls so, the
		// resources of the Pod as a whole: Prometheus means those of its main container.
		delete(fields, "resources")
	}
	podSpec, problem := decode[corev1.PodSpec](w, fields, p, "")
	var meta metav1.ObjectMeta
	if problem == "" {
		meta, problem = w.metadataBeside(m, p)
	}
	nameContainers(s, podSpec.Containers)
	w.add(p, s, Template{Form: PodSpec, Meta: &meta, Spec: &podSpec}, problem)
}

// metadataBeside returns the metadata of a PodSpec that is not in a template: its own field
// metadata, or else labels and annotations beside it, as in an InferenceService.
func (w *walker) metadataBeside(m map[string]any, p *place) (metav1.ObjectMeta, string) {
	if m["metadata"] != nil {
		return decode[metav1.ObjectMeta](w, m["metadata"], p, "metadata")
	}
	labels, problem := decode[map[string]string](w, m["labels"], p, "labels")
	if problem != "" {
		return metav1.ObjectMeta{}, problem
	}
	annotations, problem := decode[map[string]string](w, m["annotations"], p, "annotations")
	return metav1.ObjectMeta{Labels: labels, Annotations: annotations}, problem
}

// containers says how many containers there are and names the first ones.
func containers(names []string) string {
	const most = 3
	var quoted []string
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, quote(name))
	}
	if len(names) > most {
		quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-most))
	}
	noun := "containers"
	if len(names) == 1 {
		noun = "container"
	}
	return fmt.Sprintf("%d %s (%s)", len(names), noun, strings.Join(quoted, ", "))
}

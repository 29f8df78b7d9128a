package podtemplate

import (
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

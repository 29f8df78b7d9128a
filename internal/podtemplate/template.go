package podtemplate

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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

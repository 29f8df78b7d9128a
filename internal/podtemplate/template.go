package podtemplate

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// add reports a template, or why it is none.
func (r *reader) add(s surroundings, t Template) {
	switch {
	case r.problem != "":
		r.skip(r.place, r.problem)
	case strings.HasSuffix(s.group, "kyverno.io"):
		r.skip(r.place, "is a pattern of a Kyverno policy, not a workload: review the workloads that the "+
			"policy matches or makes")
	case !r.full(r.place):
		t.Pointer = r.place.pointer()
		t.Suspended = s.suspended
		t.QueueName = s.queue
		r.found = append(r.found, t)
	}
}

func (w *walker) addTemplate(m, spec map[string]any, p *place, s surroundings) {
	r := &reader{walker: w, place: p}
	podSpec := read[corev1.PodSpec](r, podSpecFields(spec), "spec")
	meta := read[metav1.ObjectMeta](r, m["metadata"], "metadata")
	nameContainers(s, podSpec.Containers)
	r.add(s, Template{Form: PodTemplate, Meta: &meta, Spec: &podSpec})
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
	r := &reader{walker: w, place: p}
	podSpec := read[corev1.PodSpec](r, fields, "")
	meta := read[metav1.ObjectMeta](r, m["metadata"], "metadata")
	if m["metadata"] == nil { // such as in an InferenceService
		meta.Labels = read[map[string]string](r, m["labels"], "labels")
		meta.Annotations = read[map[string]string](r, m["annotations"], "annotations")
	}
	nameContainers(s, podSpec.Containers)
	r.add(s, Template{Form: PodSpec, Meta: &meta, Spec: &podSpec})
}

// containers says how many containers there are and names the first ones.
func containers(names []string) string {
	const most = 3
	var quoted []string
	for i, name := range names {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		quoted = append(quoted, quote(name))
	}
	return fmt.Sprintf("%s (%s)", human.Plural(len(names), "container"), strings.Join(quoted, ", "))
}

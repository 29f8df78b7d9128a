package podtemplate

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workflow is what all templates of an Argo Workflow have in common. Kinds of Argo Events that have
// a container without a workflow have none of it.
type workflow struct {
	volumes map[string]corev1.Volume
	meta    metav1.ObjectMeta
}

// isWorkflow reports whether a map has a list of templates, one of which has a main container.
func isWorkflow(m map[string]any) bool {
	return anyMap(m["templates"], func(t map[string]any) bool { return mainContainer(t) != "" })
}

// workflowOf reads what stands beside the list of templates. What cannot be read is reported once,
// here, and is missing in the templates.
func (w *walker) workflowOf(m map[string]any, p *place) *workflow {
	flow := &workflow{volumes: map[string]corev1.Volume{}}
	for _, v := range readAlone[[]corev1.Volume](w, m, p, "volumes") {
		flow.volumes[v.Name] = v
	}
	for _, c := range readAlone[[]corev1.PersistentVolumeClaim](w, m, p, "volumeClaimTemplates") {
		flow.volumes[c.Name] = corev1.Volume{Name: c.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c.Name},
		}}
	}
	flow.meta = readAlone[metav1.ObjectMeta](w, m, p, "podMetadata")
	return flow
}

// readAlone decodes a field, and reports it if it does not fit.
func readAlone[T any](w *walker, m map[string]any, p *place, field string) T {
	r := &reader{walker: w, place: p}
	out := read[T](r, m[field], field)
	if r.problem != "" {
		w.skip(p, r.problem)
	}
	return out
}

// addContainer reports the Pod that a controller puts together from the main container, under the
// given field, and what stands beside it.
func (w *walker) addContainer(m map[string]any, main string, p *place, s surroundings) {
	r := &reader{walker: w, place: p}
	var spec corev1.PodSpec
	if main == "containerSet" {
		spec.Containers = r.containerSet(m)
	} else {
		c := read[corev1.Container](r, m[main], main)
		if c.Name == "" || s.group == "argoproj.io" {
			c.Name = "main" // argo-workflows workflow/common/common.go MainContainerName
		}
		spec.Containers = []corev1.Container{c}
	}
	spec.Containers = append(spec.Containers, read[[]corev1.Container](r, m["sidecars"], "sidecars")...)
	spec.InitContainers = read[[]corev1.Container](r, m["initContainers"], "initContainers")
	spec.Volumes = read[[]corev1.Volume](r, m["volumes"], "volumes")
	meta := read[metav1.ObjectMeta](r, m["metadata"], "metadata")
	if r.problem == "" && s.workflow != nil {
		s.workflow.addVolumes(&spec)
		common := s.workflow.meta
		if !w.spend(len(common.Labels)+len(common.Annotations), 0, p) {
			return
		}
		meta.Labels = merge(common.Labels, meta.Labels)
		meta.Annotations = merge(common.Annotations, meta.Annotations)
	}
	r.add(s, Template{Form: Container, Meta: &meta, Spec: &spec})
}

// containerSet returns the containers of a set, each with the mounts that all of them have.
func (r *reader) containerSet(m map[string]any) []corev1.Container {
	list := read[[]corev1.Container](r, lookup(m, "containerSet", "containers"), "containerSet.containers")
	mounts := read[[]corev1.VolumeMount](r, lookup(m, "containerSet", "volumeMounts"), "containerSet.volumeMounts")
	if r.problem == "" && !r.spend(len(list)*len(mounts), 0, r.place) {
		r.problem = fmt.Sprintf("has %d containers with %d mounts each: %s", len(list), len(mounts), remedy)
	}
	if r.problem != "" {
		return nil
	}
	for i := range list {
		list[i].VolumeMounts = slices.Concat(list[i].VolumeMounts, mounts)
	}
	return list
}

// addVolumes adds those of the workflow's volumes that the containers mount, in the order of the
// mounts.
func (f *workflow) addVolumes(spec *corev1.PodSpec) {
	have := map[string]bool{}
	for _, v := range spec.Volumes {
		have[v.Name] = true
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, mount := range c.VolumeMounts {
			if v, ok := f.volumes[mount.Name]; ok && !have[mount.Name] {
				spec.Volumes = append(spec.Volumes, v)
				have[mount.Name] = true
			}
		}
	}
}

// merge returns the entries of both maps, those of the second where both have one.
func merge(first, second map[string]string) map[string]string {
	if len(first) == 0 {
		return second
	}
	out := maps.Clone(first)
	maps.Copy(out, second)
	return out
}

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
	volumes, problem := decode[[]corev1.Volume](w, m["volumes"], p, "volumes")
	if problem != "" {
		w.skip(p, problem)
	}
	for _, v := range volumes {
		flow.volumes[v.Name] = v
	}
	claims, problem := decode[[]corev1.PersistentVolumeClaim](w, m["volumeClaimTemplates"], p,
		"volumeClaimTemplates")
	if problem != "" {
		w.skip(p, problem)
	}
	for _, c := range claims {
		flow.volumes[c.Name] = corev1.Volume{Name: c.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c.Name},
		}}
	}
	flow.meta, problem = decode[metav1.ObjectMeta](w, m["podMetadata"], p, "podMetadata")
	if problem != "" {
		w.skip(p, problem)
	}
	return flow
}

// addContainer reports the Pod that a controller puts together from the main container, under the
// given field, and what stands beside it.
func (w *walker) addContainer(m map[string]any, main string, p *place, s surroundings) {
	var spec corev1.PodSpec
	var problem string
	if main == "containerSet" {
		spec.Containers, problem = w.containerSet(m, p)
	} else {
		var c corev1.Container
		c, problem = decode[corev1.Container](w, m[main], p, main)
		if c.Name == "" || s.group == "argoproj.io" {
			c.Name = "main" // argo-workflows workflow/common/common.go MainContainerName
		}
		spec.Containers = []corev1.Container{c}
	}
	part := func(read func() string) {
		if problem == "" {
			problem = read()
		}
	}
	part(func() (why string) {
		var sidecars []corev1.Container
		sidecars, why = decode[[]corev1.Container](w, m["sidecars"], p, "sidecars")
		spec.Containers = append(spec.Containers, sidecars...)
		return why
	})
	part(func() (why string) {
		spec.InitContainers, why = decode[[]corev1.Container](w, m["initContainers"], p, "initContainers")
		return why
	})
	part(func() (why string) {
		spec.Volumes, why = decode[[]corev1.Volume](w, m["volumes"], p, "volumes")
		return why
	})
	var meta metav1.ObjectMeta
	part(func() (why string) {
		meta, why = decode[metav1.ObjectMeta](w, m["metadata"], p, "metadata")
		return why
	})
	if problem == "" && s.workflow != nil {
		s.workflow.addVolumes(&spec)
		common := s.workflow.meta
		if !w.spend(len(common.Labels)+len(common.Annotations), 0, p) {
			return
		}
		meta.Labels = merge(common.Labels, meta.Labels)
		meta.Annotations = merge(common.Annotations, meta.Annotations)
	}
	w.add(p, s, Template{Form: Container, Meta: &meta, Spec: &spec}, problem)
}

// containerSet returns the containers of a set, each with the mounts that all of them have.
func (w *walker) containerSet(m map[string]any, p *place) ([]corev1.Container, string) {
	const field = "containerSet"
	list, problem := decode[[]corev1.Container](w, lookup(m, field, "containers"), p,
		field+".containers")
	if problem != "" {
		return nil, problem
	}
	mounts, problem := decode[[]corev1.VolumeMount](w, lookup(m, field, "volumeMounts"), p,
		field+".volumeMounts")
	if problem != "" {
		return nil, problem
	}
	if !w.spend(len(list)*len(mounts), 0, p) {
		return nil, fmt.Sprintf("has %d containers with %d mounts each: %s", len(list), len(mounts),
			remedy)
	}
	for i := range list {
		list[i].VolumeMounts = slices.Concat(list[i].VolumeMounts, mounts)
	}
	return list, ""
}

// addVolumes adds those of the workflow's volumes that the containers mount, in the order of the
// mounts.
func (f *workflow) addVolumes(spec *corev1.PodSpec) {
	have := map[string]bool{}
	for _, v := range spec.Volumes {
		have[v.Name] = true
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			for _, mount := range list[i].VolumeMounts {
				if v, ok := f.volumes[mount.Name]; ok && !have[mount.Name] {
					spec.Volumes = append(spec.Volumes, v)
					have[mount.Name] = true
				}
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

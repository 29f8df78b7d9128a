package webhook

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/policy"
)

// workload is the part of an object that makes Pods, of whichever kind, that decisions read.
type workload struct {
	metadata policy.MetadataView
	template *policy.PodView // of a PodTemplate
	spec     workloadSpec
	// jobMetadata and job are those of a CronJob's template.
	jobMetadata policy.MetadataView
	job         workloadSpec
}

type workloadSpec struct {
	template  *policy.PodView
	suspended bool
	claims    []string
}

// readWorkload implements objectReader for workloads.
func readWorkload(c *cursor) func(kindOfObject) (policy.Subject, error) {
	w := &workload{}
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "metadata":
			c.metadata(&w.metadata)
		case "template":
			w.template = c.template()
		case "spec":
			c.workloadSpec(&w.spec, w)
		default:
			c.skipField()
		}
	}
	return func(kind kindOfObject) (policy.Subject, error) {
		if kind.Kind == "Pod" { // nobody asks this webhook about Pods
			c.fail(errUnusual)
			return policy.Subject{}, errUnusual
		}
		return w.subject(kind)
	}
}

// workloadSpec reads the spec of a workload, or, if w is nil, that of a CronJob's template.
func (c *cursor) workloadSpec(s *workloadSpec, w *workload) {
	for c.object(); c.more(); {
		switch name := string(c.field()); {
		case name == "template":
			s.template = c.template()
		case name == "suspend":
			s.suspended = c.boolean()
		case name == "volumeClaimTemplates":
			s.claims = listOf(c, c.claim)
		case name == "jobTemplate" && w != nil:
			for c.object(); c.more(); {
				switch string(c.field()) {
				case "metadata":
					c.metadata(&w.jobMetadata)
				case "spec":
					c.workloadSpec(&w.job, nil)
				default:
					c.skipField()
				}
			}
		default:
			c.skipField()
		}
	}
}

// template reads a Pod template; nil for null.
func (c *cursor) template() *policy.PodView {
	if c.null() {
		return nil
	}
	return c.pod()
}

func (c *cursor) claim(name *string) {
	var m policy.MetadataView
	for c.object(); c.more(); {
		switch string(c.field()) {
		case "metadata":
			c.metadata(&m)
		default:
			c.skipField()
		}
	}
	*name = m.Name
}

// subject returns what policy.NewSubject returns of the whole object.
func (w *workload) subject(kind kindOfObject) (policy.Subject, error) {
	object := podkind.New(versionOf(kind), kind.Kind)
	if object == nil {
		return policy.Subject{}, errNotAWorkload(kind)
	}
	template, claims := w.spec.template, []string(nil)
	switch o := object.(type) {
	case *corev1.PodTemplate:
		template = w.template
	case *corev1.ReplicationController:
		if template != nil {
			o.Spec.Template = &corev1.PodTemplateSpec{}
		}
	case *appsv1.StatefulSet:
		claims = w.spec.claims
	case *batchv1.Job:
		o.Spec.Suspend = &w.spec.suspended
	case *batchv1.CronJob:
		template = w.job.template
		o.Spec.JobTemplate.Labels, o.Spec.JobTemplate.Spec.Suspend = w.jobMetadata.Labels, &w.job.suspended
	}
	metadata, err := meta.Accessor(object)
	if err != nil {
		return policy.Subject{}, err
	}
	metadata.SetName(w.metadata.Name)
	metadata.SetGenerateName(w.metadata.GenerateName)
	metadata.SetNamespace(w.metadata.Namespace)
	metadata.SetLabels(w.metadata.Labels)
	subject, ok := policy.NewSubject(object)
	if !ok {
		return policy.Subject{}, errNoTemplate(kind)
	}
	if subject.Claims, subject.Pod = claims, template; template == nil {
		subject.Pod = &policy.PodView{}
	}
	return subject, nil
}

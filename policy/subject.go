package policy

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Subject is what is evaluated: a Pod, or the Pod template of a workload, and what is
// known of the place where it runs. The engine reads it and never changes it.
type Subject struct {
	// Kind, Namespace and Name are those of the object, for messages.
	Kind, Namespace, Name string
	// NamespaceLabels are the labels of the object's namespace.
	NamespaceLabels map[string]string

	// Pod is the Pod, or the template. It is required.
	Pod *PodView
	// Pointer is the JSON pointer from the object to the Pod or template: empty
	// for a Pod, "/spec/template" for a Deployment.
	Pointer string

	// Claims are the names of a StatefulSet's claim templates: volumes that its Pods
	// have beside those of the template.
	Claims []string
	// Suspended reports whether the workload waits to be started, and QueueName is the
	// queue that decides when: both have the template's memory counted.
	Suspended bool
	QueueName string

	// LimitRanges are those of the namespace, as far as they are known. The memory of a
	// Pod is not raised above what they allow.
	LimitRanges []*corev1.LimitRange
	// ResourceQuotas are those of the namespace, as far as they are known, for a Pod that
	// is to be created: what their status leaves is held against the whole Pod. They
	// are left out for a Pod that is there already and has been counted.
	ResourceQuotas []*corev1.ResourceQuota
	// counted reports whether the quotas' status counts the Pod itself already.
	counted bool
	// NodeAllocatable is the memory that Pods may use on the Pod's node, in bytes; 0 if it
	// is not known.
	NodeAllocatable sizing.Bytes
}

// queueLabel names the Kueue queue of a workload.
const queueLabel = "kueue.x-k8s.io/queue-name"

// NewSubject returns the Subject of a Pod, PodTemplate, Deployment, StatefulSet, DaemonSet,
// ReplicaSet, ReplicationController, Job or CronJob (given as a pointer). The Subject shares
// memory with the object. ok is false for every other type, and for a ReplicationController without a
// template.
func NewSubject(object any) (s Subject, ok bool) {
	const template = "/spec/template"
	switch o := object.(type) {
	case *corev1.Pod:
		return Subject{Kind: "Pod", Namespace: o.Namespace, Name: nameOf(&o.ObjectMeta), Pod: ViewOf(&o.ObjectMeta, &o.Spec)}, true
	case *corev1.PodTemplate:
		return ofTemplate("PodTemplate", &o.ObjectMeta, &o.Template, "/template"), true
	case *appsv1.Deployment:
		return ofTemplate("Deployment", &o.ObjectMeta, &o.Spec.Template, template), true
	case *appsv1.StatefulSet:
		s = ofTemplate("StatefulSet", &o.ObjectMeta, &o.Spec.Template, template)
		for i := range o.Spec.VolumeClaimTemplates {
			s.Claims = append(s.Claims, o.Spec.VolumeClaimTemplates[i].Name)
		}
		return s, true
	case *appsv1.DaemonSet:
		return ofTemplate("DaemonSet", &o.ObjectMeta, &o.Spec.Template, template), true
	case *appsv1.ReplicaSet:
		return ofTemplate("ReplicaSet", &o.ObjectMeta, &o.Spec.Template, template), true
	case *corev1.ReplicationController:
		if o.Spec.Template == nil {
			return Subject{}, false
		}
		return ofTemplate("ReplicationController", &o.ObjectMeta, o.Spec.Template, template), true
	case *batchv1.Job:
		s = ofTemplate("Job", &o.ObjectMeta, &o.Spec.Template, template)
		s.Suspended = o.Spec.Suspend != nil && *o.Spec.Suspend
		return s, true
	case *batchv1.CronJob:
		job := &o.Spec.JobTemplate
		s = ofTemplate("CronJob", &o.ObjectMeta, &job.Spec.Template, "/spec/jobTemplate"+template)
		s.Suspended = job.Spec.Suspend != nil && *job.Spec.Suspend
		if queue := job.Labels[queueLabel]; queue != "" {
			s.QueueName = queue
		}
		return s, true
	default:
		return Subject{}, false
	}
}

func ofTemplate(kind string, meta *metav1.ObjectMeta, t *corev1.PodTemplateSpec, pointer string) Subject {
	return Subject{
		Kind: kind, Namespace: meta.Namespace, Name: nameOf(meta), Pod: ViewOf(&t.ObjectMeta, &t.Spec),
		Pointer: pointer, QueueName: meta.Labels[queueLabel],
	}
}

func nameOf(meta *metav1.ObjectMeta) string {
	if meta.Name == "" {
		return meta.GenerateName
	}
	return meta.Name
}

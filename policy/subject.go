package policy

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Subject is what is judged: a Pod, or the Pod template of a workload. The engine
// reads it and never changes it; only Decision.Apply does, when told to.
type Subject struct {
	// Kind, Namespace and Name are those of the object, for messages.
	Kind, Namespace, Name string
	// NamespaceLabels are the labels of the object's namespace.
	NamespaceLabels map[string]string

	// Meta and Spec are the Pod's, or the template's. Both are required.
	Meta *metav1.ObjectMeta
	Spec *corev1.PodSpec
	// Pointer is the JSON pointer from the object to the Pod or template: empty
	// for a Pod, "/spec/template" for a Deployment.
	Pointer string

	// Claims are the names of a StatefulSet's claim templates: volumes that its Pods
	// have beside those of the template.
	Claims []string

	// LimitRanges are those of the namespace, where they are known. The memory of
	// a Pod is not raised above what they allow.
	LimitRanges []*corev1.LimitRange
	// ResourceQuotas are those of the namespace, where they are known, for a Pod that
	// is to be created: what their status leaves is held against the whole Pod. They
	// are left out for a Pod that is there already and has been counted.
	ResourceQuotas []*corev1.ResourceQuota
	// NodeAllocatable is the memory that Pods may use on the Pod's node; 0 where
	// it is not known.
	NodeAllocatable Bytes
}

// NewSubject makes the Subject of a Pod, Deployment, StatefulSet, DaemonSet,
// ReplicaSet, ReplicationController, Job or CronJob (as pointers). It shares the
// object's memory. ok is false for every other type, and for a
// ReplicationController without a template.
func NewSubject(object any) (s Subject, ok bool) {
	workload := func(kind string, meta *metav1.ObjectMeta, t *corev1.PodTemplateSpec, pointer string) (Subject, bool) {
		return Subject{Kind: kind, Namespace: meta.Namespace, Name: nameOf(meta), Meta: &t.ObjectMeta, Spec: &t.Spec, Pointer: pointer}, true
	}
	const template = "/spec/template"
	switch o := object.(type) {
	case *corev1.Pod:
		return Subject{Kind: "Pod", Namespace: o.Namespace, Name: nameOf(&o.ObjectMeta), Meta: &o.ObjectMeta, Spec: &o.Spec}, true
	case *appsv1.Deployment:
		return workload("Deployment", &o.ObjectMeta, &o.Spec.Template, template)
	case *appsv1.StatefulSet:
		s, ok = workload("StatefulSet", &o.ObjectMeta, &o.Spec.Template, template)
		for i := range o.Spec.VolumeClaimTemplates {
			s.Claims = append(s.Claims, o.Spec.VolumeClaimTemplates[i].Name)
		}
		return s, ok
	case *appsv1.DaemonSet:
		return workload("DaemonSet", &o.ObjectMeta, &o.Spec.Template, template)
	case *appsv1.ReplicaSet:
		return workload("ReplicaSet", &o.ObjectMeta, &o.Spec.Template, template)
	case *corev1.ReplicationController:
		if o.Spec.Template == nil {
			return Subject{}, false
		}
		return workload("ReplicationController", &o.ObjectMeta, o.Spec.Template, template)
	case *batchv1.Job:
		return workload("Job", &o.ObjectMeta, &o.Spec.Template, template)
	case *batchv1.CronJob:
		return workload("CronJob", &o.ObjectMeta, &o.Spec.JobTemplate.Spec.Template, "/spec/jobTemplate"+template)
	default:
		return Subject{}, false
	}
}

func nameOf(meta *metav1.ObjectMeta) string {
	if meta.Name == "" {
		return meta.GenerateName
	}
	return meta.Name
}

// Package podkind holds the kinds of Kubernetes itself that are Pods or make Pods.
package podkind

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

type kind struct {
	// version is the API version that API servers serve.
	version string
	empty   func() runtime.Object
	spec    func(runtime.Object) *corev1.PodSpec
}

// kinds are all of them, by name.
var kinds = map[string]kind{
	"Pod":         of("v1", func(o *corev1.Pod) *corev1.PodSpec { return &o.Spec }),
	"PodTemplate": of("v1", func(o *corev1.PodTemplate) *corev1.PodSpec { return &o.Template.Spec }),
	"ReplicationController": of("v1", func(o *corev1.ReplicationController) *corev1.PodSpec {
		if o.Spec.Template == nil {
			return nil
		}
		return &o.Spec.Template.Spec
	}),
	"Deployment":  of("apps/v1", func(o *appsv1.Deployment) *corev1.PodSpec { return &o.Spec.Template.Spec }),
	"StatefulSet": of("apps/v1", func(o *appsv1.StatefulSet) *corev1.PodSpec { return &o.Spec.Template.Spec }),
	"DaemonSet":   of("apps/v1", func(o *appsv1.DaemonSet) *corev1.PodSpec { return &o.Spec.Template.Spec }),
	"ReplicaSet":  of("apps/v1", func(o *appsv1.ReplicaSet) *corev1.PodSpec { return &o.Spec.Template.Spec }),
	"Job":         of("batch/v1", func(o *batchv1.Job) *corev1.PodSpec { return &o.Spec.Template.Spec }),
	"CronJob":     of("batch/v1", func(o *batchv1.CronJob) *corev1.PodSpec { return &o.Spec.JobTemplate.Spec.Template.Spec }),
}

func of[T any, P interface {
	*T
	runtime.Object
}](version string, spec func(P) *corev1.PodSpec) kind {
	return kind{
		version: version,
		empty:   func() runtime.Object { return P(new(T)) },
		spec: func(o runtime.Object) *corev1.PodSpec {
			typed, ok := o.(P)
			if !ok {
				return nil
			}
			return spec(typed)
		},
	}
}

// VersionOf returns the API version of such a kind; empty for any other.
func VersionOf(kind string) string { return kinds[kind].version }

// New returns an empty object of such a kind; nil for any other, and for another version.
func New(version, kind string) runtime.Object {
	k, found := kinds[kind]
	if !found || k.version != version {
		return nil
	}
	return k.empty()
}

// SpecOf returns the PodSpec of an object of such a kind; nil for any other, and for a
// ReplicationController without a template.
func SpecOf(object runtime.Object) *corev1.PodSpec {
	for _, k := range kinds {
		if spec := k.spec(object); spec != nil {
			return spec
		}
	}
	return nil
}

package workloadevents

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ownersFor is how long it is remembered who owns a ReplicaSet or a Job.
const ownersFor = time.Hour

// workloadOf returns what an event is about: an event is found by the UID of that, so the owner of a
// ReplicaSet or a Job has to be read. If the server may not, the event is about the ReplicaSet or the
// Job. ok is false if that is not there, or the API server does not say: somebody may have made it up.
func (r *Recorder) workloadOf(ctx context.Context, e *Event) (about *corev1.ObjectReference, ok bool) {
	c := &e.Controller
	about = &corev1.ObjectReference{APIVersion: c.APIVersion, Kind: c.Kind, Namespace: e.Namespace, Name: c.Name, UID: c.UID}
	get := r.getter(c.APIVersion, c.Kind)
	if get == nil {
		return about, true
	}
	if known, found := r.owners.Get(c.UID); found {
		if reference, isReference := known.(corev1.ObjectReference); isReference {
			return &reference, reference.Namespace == e.Namespace
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	switch meta, err := get(ctx, e.Namespace, c.Name); {
	case apierrors.IsForbidden(err):
	case err != nil || meta.GetUID() != c.UID:
		return nil, false
	default:
		if up := metav1.GetControllerOfNoCopy(meta); up != nil {
			about = &corev1.ObjectReference{APIVersion: up.APIVersion, Kind: up.Kind, Namespace: e.Namespace, Name: up.Name, UID: up.UID}
		}
	}
	r.owners.Add(c.UID, *about, ownersFor)
	return about, true
}

// getter returns how to read a controller that may have one itself; nil for another kind.
func (r *Recorder) getter(apiVersion, kind string) func(ctx context.Context, namespace, name string) (metav1.Object, error) {
	switch {
	case kind == "ReplicaSet" && apiVersion == appsv1.SchemeGroupVersion.String():
		return func(ctx context.Context, namespace, name string) (metav1.Object, error) {
			return r.kube.AppsV1().ReplicaSets(namespace).Get(ctx, name, metav1.GetOptions{})
		}
	case kind == "Job" && apiVersion == batchv1.SchemeGroupVersion.String():
		return func(ctx context.Context, namespace, name string) (metav1.Object, error) {
			return r.kube.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
		}
	}
	return nil
}

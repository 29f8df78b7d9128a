package webhookconfig

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// installation is shmkeeper's own Namespace and Deployment, as the API server has them.
type installation struct {
	reader                client.Reader
	namespace, deployment string
}

// owner returns the Namespace; nil if it is gone or going.
func (i installation) owner(ctx context.Context) (*metav1.PartialObjectMetadata, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := i.reader.Get(ctx, types.NamespacedName{Name: i.namespace}, namespace)
	if err != nil || namespace.DeletionTimestamp != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return namespace, nil
}

// atRest reports whether shmkeeper is installed, and neither being deleted nor rolled out.
// Both change the configurations too, and must not be interfered with.
func (i installation) atRest(ctx context.Context) (bool, error) {
	namespace, err := i.owner(ctx)
	if err != nil || namespace == nil {
		return false, err
	}
	d, err := i.getDeployment(ctx)
	return d != nil && !rolloutInProgress(d), err
}

// getDeployment returns the Deployment; nil if it is gone or going.
func (i installation) getDeployment(ctx context.Context) (*appsv1.Deployment, error) {
	d := &appsv1.Deployment{}
	err := i.reader.Get(ctx, types.NamespacedName{Namespace: i.namespace, Name: i.deployment}, d)
	if err != nil || d.DeletionTimestamp != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return d, nil
}

// rolloutInProgress reports whether a Deployment still has Pods of another template.
func rolloutInProgress(d *appsv1.Deployment) bool {
	replicas := int32(1)
	if d.Spec.Replicas != nil {
		replicas = *d.Spec.Replicas
	}
	s := &d.Status
	return s.ObservedGeneration < d.Generation || s.UpdatedReplicas < replicas || s.Replicas > s.UpdatedReplicas
}

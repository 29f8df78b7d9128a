package cluster

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// CacheOptions returns the options of a manager's cache. Objects are cut down to what is
// used of them before they are kept. A read of a type that nothing watches is an error,
// so that no type is ever held in memory by accident. configurations is the name of the
// webhook configurations, which are kept whole; no other is watched.
func CacheOptions(configurations string) cache.Options {
	configuration := cache.ByObject{
		Field:     fields.OneTermEqualSelector(metav1.ObjectNameField, configurations),
		Transform: func(object any) (any, error) { return object, nil },
	}
	return cache.Options{
		NewInformer:                 NewInformer,
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            withoutManagedFields,
		ByObject: map[client.Object]cache.ByObject{
			namespaceMetadata():     {Transform: labelsOnly},
			&corev1.LimitRange{}:    {Transform: limitsOnly},
			&corev1.ResourceQuota{}: {Transform: memoryQuotaOnly},
			&admissionregistrationv1.MutatingWebhookConfiguration{}:   configuration,
			&admissionregistrationv1.ValidatingWebhookConfiguration{}: configuration,
		},
	}
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return m
}

// labelsOnly cuts a namespace down to its name and labels. The version and the
// identity stay, since a watch is resumed by the one and a replaced object is
// told by the other.
func labelsOnly(object any) (any, error) {
	m, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	return &metav1.PartialObjectMetadata{TypeMeta: m.TypeMeta, ObjectMeta: identity(&m.ObjectMeta, m.Labels)}, nil
}

// limitsOnly cuts a LimitRange down to its name and limits.
func limitsOnly(object any) (any, error) {
	r, ok := object.(*corev1.LimitRange)
	if !ok {
		return object, nil
	}
	return &corev1.LimitRange{TypeMeta: r.TypeMeta, ObjectMeta: identity(&r.ObjectMeta, nil), Spec: r.Spec}, nil
}

// memoryQuotaOnly cuts a ResourceQuota down to its name, its scopes and what its
// status says of memory. One that does not limit memory keeps its name alone.
func memoryQuotaOnly(object any) (any, error) {
	q, ok := object.(*corev1.ResourceQuota)
	if !ok {
		return object, nil
	}
	out := &corev1.ResourceQuota{TypeMeta: q.TypeMeta, ObjectMeta: identity(&q.ObjectMeta, nil)}
	for _, name := range [...]corev1.ResourceName{corev1.ResourceLimitsMemory, corev1.ResourceRequestsMemory, corev1.ResourceMemory} {
		hard, limited := q.Status.Hard[name]
		used, known := q.Status.Used[name]
		if !limited || !known {
			continue
		}
		if out.Status.Hard == nil {
			out.Status.Hard, out.Status.Used = corev1.ResourceList{}, corev1.ResourceList{}
			out.Spec.Scopes, out.Spec.ScopeSelector = q.Spec.Scopes, q.Spec.ScopeSelector
		}
		out.Status.Hard[name], out.Status.Used[name] = hard, used
	}
	return out, nil
}

func identity(m *metav1.ObjectMeta, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Labels: labels}
}

// withoutManagedFields also drops the copy that kubectl apply leaves in an
// annotation. What it returns is not fit for an update of the object.
func withoutManagedFields(object any) (any, error) {
	o, ok := object.(metav1.Object)
	if !ok {
		return object, nil
	}
	if o.GetManagedFields() != nil {
		o.SetManagedFields(nil)
	}
	if a := o.GetAnnotations(); a[corev1.LastAppliedConfigAnnotation] != "" {
		delete(a, corev1.LastAppliedConfigAnnotation)
	}
	return object, nil
}

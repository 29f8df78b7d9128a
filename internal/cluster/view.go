package cluster

import (
	"cmp"
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/shmkeeper/shmkeeper/policy"
)

// View is what is known of the cluster. It answers from memory, at once, and may
// be used concurrently; nothing that it returns may be changed.
type View struct {
	policies atomic.Pointer[policy.Set]
	synced   atomic.Bool // the policies that there were at the start are in force

	namespaces, limitRanges, resourceQuotas informer
}

// informer is the part of toolscache.SharedIndexInformer that the view reads.
type informer interface {
	GetIndexer() toolscache.Indexer
	HasSynced() bool
}

// Policies are the policies in force.
func (v *View) Policies() policy.Set {
	if set := v.policies.Load(); set != nil {
		return *set
	}
	return policy.Set{}
}

// NamespaceLabels are the labels of a namespace; ok is false for one that is not
// known (yet).
func (v *View) NamespaceLabels(name string) (labels map[string]string, ok bool) {
	object, found, err := v.namespaces.GetIndexer().GetByKey(name)
	if !found || err != nil {
		return nil, false
	}
	m, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil, false
	}
	return m.Labels, true
}

// LimitRanges are those of a namespace, with their names and limits only, in no
// order.
func (v *View) LimitRanges(namespace string) []*corev1.LimitRange {
	return inNamespace[*corev1.LimitRange](v.limitRanges, namespace)
}

// ResourceQuotas are those of a namespace, by name: their scopes, and what their
// status says of memory. They are as old as the last watch event: a Pod that was
// admitted or deleted within the last moment may not be in them.
func (v *View) ResourceQuotas(namespace string) []*corev1.ResourceQuota {
	out := inNamespace[*corev1.ResourceQuota](v.resourceQuotas, namespace)
	slices.SortFunc(out, func(a, b *corev1.ResourceQuota) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// inNamespace are the objects of a namespace, in no order.
func inNamespace[T any](i informer, namespace string) []T {
	objects, err := i.GetIndexer().ByIndex(toolscache.NamespaceIndex, namespace)
	if err != nil || len(objects) == 0 {
		return nil
	}
	out := make([]T, 0, len(objects))
	for _, object := range objects {
		if o, ok := object.(T); ok {
			out = append(out, o)
		}
	}
	return out
}

// Synced says whether all that the cluster had at the start is known, and its
// policies are in force: before that a Pod may be judged wrongly.
func (v *View) Synced() bool {
	return v.synced.Load() && v.namespaces.HasSynced() && v.limitRanges.HasSynced() && v.resourceQuotas.HasSynced()
}

package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// View is what is known of the cluster. It answers from memory, at once, and may
// be used concurrently; nothing that it returns may be changed.
type View struct {
	inForce     atomic.Pointer[inForce] // nil until the policies that there were at the start are
	store       *policyStore
	subscribers subscribers
	deleted     func(names []string)

	namespaces, limitRanges, resourceQuotas informer
}

// inForce is what is in force at one moment. The Set has every policy that the match
// condition covers.
type inForce struct {
	set       policy.Set
	condition MatchCondition
}

// New makes a view and adds to the manager what fills it. The manager's cache must be
// made with CacheOptions, and its scheme must know v1alpha1. mirrors says which images
// count as others, and registerer takes the metrics. An error says what the manager
// refused.
func New(mgr manager.Manager, mirrors policy.Mirrors, registerer prometheus.Registerer) (*View, error) {
	m, err := newMetrics(registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics of policies: %w; give each manager a registry of its own", err)
	}
	v := &View{store: newPolicyStore(mirrors)}
	if v.namespaces, err = informerFor(mgr, namespaceMetadata()); err != nil {
		return nil, err
	}
	if v.limitRanges, err = informerFor(mgr, &corev1.LimitRange{}); err != nil {
		return nil, err
	}
	if v.resourceQuotas, err = informerFor(mgr, &corev1.ResourceQuota{}); err != nil {
		return nil, err
	}
	policies, err := informerFor(mgr, &v1alpha1.SharedMemoryPolicy{})
	if err != nil {
		return nil, err
	}
	w := &policyWatcher{
		store: v.store, view: v, metrics: m, log: mgr.GetLogger().WithName("policies"), notified: make(chan struct{}, 1),
	}
	registration, err := policies.AddEventHandler(w)
	if err != nil {
		return nil, err
	}
	w.hasSynced = registration.HasSynced
	return v, mgr.Add(w)
}

// informerFor starts, with the manager, to watch a type. It does not wait.
func informerFor(mgr manager.Manager, object client.Object) (toolscache.SharedIndexInformer, error) {
	i, err := mgr.GetCache().GetInformer(context.Background(), object, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching %T: %w", object, err)
	}
	shared, ok := i.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("the cache of %T is a %T, which cannot be read: make the manager's cache with CacheOptions", object, i)
	}
	return shared, nil
}

// informer is the part of toolscache.SharedIndexInformer that the view reads.
type informer interface {
	GetIndexer() toolscache.Indexer
	HasSynced() bool
}

// Policies returns the policies in force.
func (v *View) Policies() policy.Set {
	if now := v.inForce.Load(); now != nil {
		return now.set
	}
	return policy.Set{}
}

// MatchCondition returns the match condition for the policies in force; ok is false until
// all are in force that there were at the start.
func (v *View) MatchCondition() (condition MatchCondition, ok bool) {
	if now := v.inForce.Load(); now != nil {
		return now.condition, true
	}
	return MatchCondition{}, false
}

// PolicyState returns the state of a version of a policy; ok is false while this
// replica has not seen the version, or has seen a newer one.
func (v *View) PolicyState(p *v1alpha1.SharedMemoryPolicy) (state PolicyState, ok bool) {
	state, ok = v.store.lookup(p)
	if now := v.inForce.Load(); now != nil {
		state.EveryPodSent = !now.condition.Narrow
	}
	return state, ok
}

// PolicyChanges returns a channel that gets an event at once and whenever the policies in
// force have changed, until ctx is done. Changes that follow one another fast may share an event.
func (v *View) PolicyChanges(ctx context.Context) <-chan event.GenericEvent {
	return v.subscribers.subscribe(ctx)
}

// OnPoliciesDeleted has a function called with the names of policies that were deleted and are no
// longer in force. It is to be called before the manager starts.
func (v *View) OnPoliciesDeleted(do func(names []string)) { v.deleted = do }

// NamespaceLabels returns the labels of a namespace; ok is false for one that is not
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

// Namespaces returns the names of the namespaces that are known, sorted.
func (v *View) Namespaces() []string {
	names := v.namespaces.GetIndexer().ListKeys()
	slices.Sort(names)
	return names
}

// LimitRanges returns those of a namespace, with their names and limits only, in no
// order.
func (v *View) LimitRanges(namespace string) []*corev1.LimitRange {
	return inNamespace[*corev1.LimitRange](v.limitRanges, namespace)
}

// ResourceQuotas returns those of a namespace, by name: their scopes, and what their
// status says of memory. They are as old as the last watch event: a Pod that was
// admitted or deleted within the last moment may not be in them.
func (v *View) ResourceQuotas(namespace string) []*corev1.ResourceQuota {
	out := inNamespace[*corev1.ResourceQuota](v.resourceQuotas, namespace)
	slices.SortFunc(out, func(a, b *corev1.ResourceQuota) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// inNamespace returns the objects of a namespace, in no order.
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

// Synced reports whether all that the cluster had at the start is known, and its
// policies are in force: before that a Pod may be judged wrongly.
func (v *View) Synced() bool {
	return v.inForce.Load() != nil && v.namespaces.HasSynced() && v.limitRanges.HasSynced() && v.resourceQuotas.HasSynced()
}

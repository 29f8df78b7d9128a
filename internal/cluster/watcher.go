package cluster

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// debounce is the shortest time between two Sets: many policies that change at once make
// one Set.
const debounce = 100 * time.Millisecond

// policyWatcher takes policies as they change, and puts them in force.
type policyWatcher struct {
	store   *policyStore
	view    *View
	metrics *metrics
	log     logr.Logger
	// hasSynced reports whether the policies that there were at the start are taken.
	hasSynced func() bool
	notified  chan struct{} // of one
}

// NeedLeaderElection reports whether only the leader runs it: every replica does.
func (w *policyWatcher) NeedLeaderElection() bool { return false }

// Start puts the policies in force that there are, and then the ones that change,
// until ctx ends.
func (w *policyWatcher) Start(ctx context.Context) error {
	if !toolscache.WaitForCacheSync(ctx.Done(), w.hasSynced) {
		return nil
	}
	w.publish()
	for {
		next := time.After(debounce)
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.notified:
			w.publish()
		}
	}
}

func (w *policyWatcher) publish() {
	removed := w.store.takeRemoved()
	condition := w.store.matchCondition() // first, so that it covers nothing that is not in force
	w.view.inForce.Store(&inForce{w.store.set(), condition})
	w.metrics.count(w.store.count())
	w.metrics.revision.Set(w.store.fingerprint())
	w.metrics.setNarrow(condition.Narrow)
	w.view.subscribers.notify()
	if w.view.deleted != nil && len(removed) > 0 {
		w.view.deleted(removed)
	}
}

// OnAdd takes what the watch delivers.
func (w *policyWatcher) OnAdd(object any, _ bool) { w.add(object) }

// OnUpdate takes what the watch delivers.
func (w *policyWatcher) OnUpdate(_, object any) { w.add(object) }

// OnDelete takes what the watch delivers.
func (w *policyWatcher) OnDelete(object any) {
	if gone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if p, ok := object.(*v1alpha1.SharedMemoryPolicy); ok && w.store.remove(p.Name) {
		w.notify()
	}
}

func (w *policyWatcher) add(object any) {
	p, ok := object.(*v1alpha1.SharedMemoryPolicy)
	if !ok {
		return
	}
	changed, valid := w.store.add(p)
	if !changed {
		return
	}
	if !valid {
		w.metrics.compileErrors.Inc()
		w.log.Info("policy is not valid: its condition Accepted says why", "policy", p.Name, "generation", p.Generation)
	}
	w.notify()
}

func (w *policyWatcher) notify() {
	select {
	case w.notified <- struct{}{}:
	default: // one notification is waiting already
	}
}

package cluster

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// settle is how often the Set is built at most: many policies that change at once
// make one Set.
const settle = 100 * time.Millisecond

// follower takes policies as they change, on every replica, and puts them in
// force.
type follower struct {
	catalog *catalog
	view    *View
	metrics *metrics
	log     logr.Logger
	// hasSynced says whether the policies that there were at the start are taken.
	hasSynced func() bool
	// changed is called when policies have come into force, without blocking.
	changed func()
	wake    chan struct{} // of one
}

// NeedLeaderElection is false: every replica decides.
func (f *follower) NeedLeaderElection() bool { return false }

// Start puts the policies in force that there are, and then the ones that change,
// until ctx ends.
func (f *follower) Start(ctx context.Context) error {
	if !toolscache.WaitForCacheSync(ctx.Done(), f.hasSynced) {
		return nil
	}
	f.enforce()
	for {
		next := time.After(settle)
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
			f.enforce()
		}
	}
}

func (f *follower) enforce() {
	set := f.catalog.set()
	f.view.policies.Store(&set)
	f.view.synced.Store(true) // before anybody is told, who may ask
	f.metrics.count(f.catalog.count())
	_, narrow, _ := f.catalog.matchCondition()
	f.metrics.setNarrow(narrow)
	f.changed()
}

// OnAdd takes what the watch delivers.
func (f *follower) OnAdd(object any, _ bool) { f.put(object) }

// OnUpdate takes what the watch delivers.
func (f *follower) OnUpdate(_, object any) { f.put(object) }

// OnDelete takes what the watch delivers.
func (f *follower) OnDelete(object any) {
	if gone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if p, ok := object.(*v1alpha1.SharedMemoryPolicy); ok && f.catalog.remove(p.Name) {
		f.wakeUp()
	}
}

func (f *follower) put(object any) {
	p, ok := object.(*v1alpha1.SharedMemoryPolicy)
	if !ok {
		return
	}
	changed, valid := f.catalog.put(p)
	if !changed {
		return
	}
	if !valid {
		f.metrics.compileErrors.Inc()
		f.log.Info("policy is not valid: its condition Accepted says why", "policy", p.Name, "generation", p.Generation)
	}
	f.wakeUp()
}

func (f *follower) wakeUp() {
	select {
	case f.wake <- struct{}{}:
	default: // it is awake already
	}
}

package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func newWatcher(t *testing.T) (w *policyWatcher, changes func() int32, synced *atomic.Bool) {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	var count atomic.Int32
	view, store, synced := &View{}, newPolicyStore(policy.Mirrors{}), &atomic.Bool{}
	view.store = store
	events := view.PolicyChanges(t.Context())
	<-events // that it has subscribed
	go func() {
		for {
			select {
			case <-events:
				count.Add(1)
			case <-t.Context().Done():
				return
			}
		}
	}()
	return &policyWatcher{
		store: store, view: view, metrics: m, log: logr.Discard(), hasSynced: synced.Load, notified: make(chan struct{}, 1),
	}, count.Load, synced
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

func TestPolicyWatcher_BuildsTheSetOnceForAllPoliciesThereAre(t *testing.T) {
	w, changes, synced := newWatcher(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Start(ctx) }()
	for i := range 1000 {
		w.OnAdd(policytest.AppPolicy(fmt.Sprint("p", i), "a"), true)
	}
	if w.view.inForce.Load() != nil || len(w.view.Policies().Policies()) != 0 {
		t.Error("policies are in force before all are taken")
	}
	if _, ok := w.view.MatchCondition(); ok {
		t.Error("there is a match condition before all policies are taken")
	}
	synced.Store(true)
	eventually(t, "all policies are in force", func() bool { return len(w.view.Policies().Policies()) == 1000 })
	if w.view.inForce.Load() == nil || changes() > 2 {
		t.Errorf("synced: %v; the Set was built %d times", w.view.inForce.Load() != nil, changes())
	}
	eventually(t, "the subscriber is told", func() bool { return changes() > 0 })
	if got, ok := w.view.MatchCondition(); !ok || got.Revision != 1000 {
		t.Errorf("the match condition is %+v, %v", got, ok)
	}
	bad := policytest.AppPolicy("bad", "a")
	breakIt(bad)
	w.OnAdd(bad, false)
	w.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: policytest.AppPolicy("p0", "a")})
	eventually(t, "a deletion counts", func() bool { return len(w.view.Policies().Policies()) == 999 })
	if n := testutil.ToFloat64(w.metrics.compileErrors); n != 1 {
		t.Errorf("%v compile errors are counted, want 1", n)
	}
	counted := func(accepted string) float64 { return testutil.ToFloat64(w.metrics.policies.WithLabelValues(accepted)) }
	eventually(t, "999 policies count as accepted and 1 as not", func() bool { return counted("true") == 999 && counted("false") == 1 })
	eventually(t, "the match condition counts as narrow", func() bool { return testutil.ToFloat64(w.metrics.narrow) == 1 })
	w.OnAdd(policytest.NewPolicy("any", v1alpha1.Match{PodSelector: &metav1.LabelSelector{}}), false)
	eventually(t, "it does no more", func() bool { return testutil.ToFloat64(w.metrics.narrow) == 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Who counts by policy is told when a policy can be counted no more.
func TestPolicyWatcher_SaysWhatWasDeleted(t *testing.T) {
	w, _, synced := newWatcher(t)
	deleted := make(chan []string, 10)
	w.view.OnPoliciesDeleted(func(names []string) {
		for _, p := range w.view.Policies().Policies() {
			if slices.Contains(names, p.Name()) {
				t.Errorf("policy %q is in force", p.Name())
			}
		}
		deleted <- names
	})
	for _, name := range []string{"a", "b", "c"} {
		w.OnAdd(policytest.AppPolicy(name, name), true)
	}
	w.publish()
	w.OnDelete(policytest.AppPolicy("a", "a"))
	w.OnDelete(policytest.AppPolicy("b", "b"))
	w.OnAdd(policytest.AppPolicy("b", "b"), false)
	synced.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Start(ctx) }()
	if got := <-deleted; !slices.Equal(got, []string{"a"}) {
		t.Errorf("deleted are %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(deleted) > 0 {
		t.Errorf("deleted are also %q", <-deleted)
	}
}

// Replicas have the same revision if they have the same policies, in whatever order they came.
func TestPolicyWatcher_RevisionIsThatOfThePolicies(t *testing.T) {
	first, _, _ := newWatcher(t)
	second, _, _ := newWatcher(t)
	a, b := policytest.AppPolicy("a", "a"), policytest.AppPolicy("b", "b")
	revision := func(w *policyWatcher, added ...*v1alpha1.SharedMemoryPolicy) float64 {
		for _, p := range added {
			w.OnAdd(p, false)
		}
		w.publish()
		return testutil.ToFloat64(w.metrics.revision)
	}
	one := revision(first, a)
	if one == 0 {
		t.Error("the revision of one policy is 0, as before there was any")
	}
	both := revision(first, b)
	if both == one {
		t.Errorf("the revision of two policies is %v, that of one of them", both)
	}
	if got := revision(second, b, a); got != both {
		t.Errorf("the revision on another replica is %v, want %v", got, both)
	}
	second.OnDelete(b)
	if got := revision(second); got != one {
		t.Errorf("the revision once a policy is deleted is %v, want %v", got, one)
	}
}

func TestSubscribers(t *testing.T) {
	var s subscribers
	s.notify() // nobody
	ctx, cancel := context.WithCancel(t.Context())
	first, second := s.subscribe(ctx), s.subscribe(t.Context())
	if len(first) != 1 || len(second) != 1 {
		t.Error("a subscriber who has yet to look is not told to")
	}
	<-first
	for range 3 { // it never blocks
		s.notify()
	}
	if len(first) != 1 || len(second) != 1 {
		t.Errorf("%d and %d events wait, want one each", len(first), len(second))
	}
	cancel()
	eventually(t, "a subscription ends with its context", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.channels) == 1
	})
}

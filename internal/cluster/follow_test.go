package cluster

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func newFollower(t *testing.T) (f *follower, changes *atomic.Int32, synced *atomic.Bool) {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	changes, synced = &atomic.Int32{}, &atomic.Bool{}
	return &follower{
		catalog: newCatalog(policy.Mirrors{}), view: &View{}, metrics: m, log: logr.Discard(),
		hasSynced: synced.Load, changed: func() { changes.Add(1) }, wake: make(chan struct{}, 1),
	}, changes, synced
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

func TestFollowerBuildsTheSetOnceForAllPoliciesThereAre(t *testing.T) {
	f, changes, synced := newFollower(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Start(ctx) }()
	for i := range 1000 {
		f.OnAdd(appPolicy(fmt.Sprint("p", i), "a"), true)
	}
	if f.view.synced.Load() || len(f.view.Policies().Policies()) != 0 {
		t.Error("policies are in force before all are taken")
	}
	synced.Store(true)
	eventually(t, "all policies are in force", func() bool { return len(f.view.Policies().Policies()) == 1000 })
	if !f.view.synced.Load() || changes.Load() > 2 {
		t.Errorf("synced: %v; the Set was built %d times", f.view.synced.Load(), changes.Load())
	}
	bad := appPolicy("bad", "a")
	breakIt(bad)
	f.OnAdd(bad, false)
	f.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: appPolicy("p0", "a")})
	eventually(t, "a deletion counts", func() bool { return len(f.view.Policies().Policies()) == 999 })
	if n := testutil.ToFloat64(f.metrics.compileErrors); n != 1 {
		t.Errorf("%v compile errors are counted, want 1", n)
	}
	counted := func(accepted string) float64 { return testutil.ToFloat64(f.metrics.policies.WithLabelValues(accepted)) }
	eventually(t, "999 policies count as accepted and 1 as not", func() bool { return counted("true") == 999 && counted("false") == 1 })
	eventually(t, "the match condition counts as narrow", func() bool { return testutil.ToFloat64(f.metrics.narrow) == 1 })
	f.OnAdd(newPolicy("any", v1alpha1.Match{PodSelector: &metav1.LabelSelector{}}), false)
	eventually(t, "it does no more", func() bool { return testutil.ToFloat64(f.metrics.narrow) == 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

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
	toolscache "k8s.io/client-go/tools/cache"
)

func newFollower(t *testing.T) (f *follower, changes *atomic.Int32, synced *atomic.Bool) {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	changes, synced = &atomic.Int32{}, &atomic.Bool{}
	return &follower{
		catalog: newCatalog(), view: &View{}, metrics: m, log: logr.Discard(),
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
	if a, r := testutil.ToFloat64(f.metrics.policies.WithLabelValues("true")), testutil.ToFloat64(f.metrics.policies.WithLabelValues("false")); a != 999 || r != 1 {
		t.Errorf("%v policies count as accepted and %v as not, want 999 and 1", a, r)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

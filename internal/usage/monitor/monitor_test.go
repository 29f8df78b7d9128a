package monitor

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestMonitor_Metrics(t *testing.T) {
	b := newBench(t, 0, []*v1alpha1.SharedMemoryPolicy{policytest.AppPolicy("sessions", "a")},
		nodeNamed("node-1", "10.0.0.1"), nodeNamed("node-2", "10.0.0.2"), nodeNamed("idle", "10.0.0.3"),
		podOn("node-1", "one"), podOn("node-2", "two"), podOn("", "pending"), podOn("node-1", "other", policytest.Labels(nil)))
	// The second node tells of a Pod of the first, and of one that does not exist.
	b.kubelets["node-1"] = []usage.PodSummary{says("one", began, 16*mib), says("other", began, mib)}
	b.kubelets["node-2"] = []usage.PodSummary{says("two", began, 0), says("one", began.Add(time.Second), 60*mib), says("invented", began, mib)}
	b.now = began.Add(time.Minute)
	b.measure()

	if diff := cmp.Diff([]string{"10.0.0.1", "10.0.0.2"}, b.asked); diff != "" {
		t.Errorf("the kubelets that were asked (-want +got):\n%s", diff)
	}
	one, two := "apps one sessions shm", "apps two sessions shm"
	b.mustHave("shmkeeper_volume_used_bytes", map[string]float64{one: 16 * mib, two: 0})
	b.mustHave("shmkeeper_volume_capacity_bytes", map[string]float64{one: 64 * mib, two: 64 * mib})
	b.mustHave("shmkeeper_volume_inodes_used", map[string]float64{one: 4097, two: 1})
	b.mustHave("shmkeeper_volume_inodes", map[string]float64{one: 100_000, two: 100_000})
	// The container has 40 MiB of its own: 256 - 56 are left, and for the Pod 190.
	b.mustHave("shmkeeper_volume_oom_distance_bytes", map[string]float64{one: 190 * mib, two: 206 * mib})
	b.mustHave("shmkeeper_volume_oom_before_full", map[string]float64{one: 0, two: 0})
	b.mustHave("shmkeeper_usage_sources", map[string]float64{"answered": 2, "failed": 0})
	b.mustHave("shmkeeper_usage_volumes", map[string]float64{"measured": 2, "silent": 0, "over_limit": 0})
	b.mustHave("shmkeeper_usage_last_round_timestamp_seconds", map[string]float64{"": float64(b.now.Unix())})

	for range 60 {
		b.now = b.now.Add(time.Minute)
		b.kubelets["node-1"] = []usage.PodSummary{says("one", b.now, 16*mib+int64(b.now.Sub(began).Minutes())*mib/4)}
		b.measure()
	}
	// A quarter of a MiB a minute: 31.25 are in use, and 32.75 fill in 131 minutes.
	if got := b.values("shmkeeper_volume_fill_rate_bytes_per_second")[one]; math.Abs(got-mib/240.0) > 100 {
		t.Errorf("the volume fills by %v bytes a second; want %v", got, mib/240.0)
	}
	if got := b.values("shmkeeper_volume_until_full_seconds")[one]; math.Abs(got-131*60) > 300 {
		t.Errorf("the volume is full in %v s; want %v", got, 131*60)
	}
}

// There is a bound, and a count of what is beyond it.
func TestMonitor_MostVolumes(t *testing.T) {
	var objects []client.Object
	objects = append(objects, nodeNamed("node-1", "10.0.0.1"))
	var pods []usage.PodSummary
	for i := range 30 {
		name := fmt.Sprintf("pod-%02d", i)
		objects = append(objects, podOn("node-1", name))
		pods = append(pods, says(name, began, mib))
	}
	b := newBench(t, 20, []*v1alpha1.SharedMemoryPolicy{policytest.AppPolicy("sessions", "a")}, objects...)
	b.kubelets["node-1"] = pods
	b.measure()
	if got := b.values("shmkeeper_volume_used_bytes"); len(got) != 20 || got["apps pod-19 sessions shm"] == 0 {
		t.Errorf("%d series; want the first 20 Pods", len(got))
	}
	b.mustHave("shmkeeper_usage_volumes", map[string]float64{"measured": 20, "silent": 0, "over_limit": 10})
}

// When a replica no longer leads its series end: those of the next leader are the ones that count.
func TestMonitor_StopsWithItsTerm(t *testing.T) {
	b := newBench(t, 0, []*v1alpha1.SharedMemoryPolicy{policytest.AppPolicy("sessions", "a")}, nodeNamed("node-1", "10.0.0.1"), podOn("node-1", "one"))
	b.kubelets["node-1"] = []usage.PodSummary{says("one", began, mib)}
	b.measure()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.monitor.Start(ctx); err != nil {
		t.Fatal(err)
	}
	b.mustHave("shmkeeper_volume_used_bytes", map[string]float64{})
	b.mustHave("shmkeeper_usage_volumes", map[string]float64{})
}

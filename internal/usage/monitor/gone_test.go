package monitor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestMonitor_NodesThatAreSilent(t *testing.T) {
	b := newBench(t, 0, []*v1alpha1.SharedMemoryPolicy{policytest.AppPolicy("sessions", "a")},
		nodeNamed("node-1", "10.0.0.1"), nodeNamed("node-2", "10.0.0.2"), podOn("node-1", "one"), podOn("node-2", "two"))
	b.answerBoth()
	b.mustMeasure("one", "two")

	// A node that does not answer keeps what it said for a while, and is told of once.
	delete(b.kubelets, "node-2")
	for range 5 {
		b.now = b.now.Add(time.Minute)
		b.kubelets["node-1"] = []usage.PodSummary{says("one", b.now, mib)}
		b.mustMeasure("one", "two")
	}
	b.mustHave("shmkeeper_usage_sources", map[string]float64{"answered": 1, "failed": 1})
	if len(b.logged) != 1 || !strings.Contains(b.logged[0], "no route to host") {
		t.Errorf("logged: %q; want the failure of the node, once", b.logged)
	}
	for range 4 {
		b.now = b.now.Add(time.Minute)
		b.kubelets["node-1"] = []usage.PodSummary{says("one", b.now, mib)}
		b.measure()
	}
	b.mustMeasure("one")
	b.mustHave("shmkeeper_usage_volumes", map[string]float64{"measured": 1, "silent": 1, "over_limit": 0})
	b.answerBoth()
	b.mustMeasure("one", "two")

	// A kubelet that answers without the Pod says that it is gone, before Pods are listed again.
	b.now = b.now.Add(time.Second)
	b.kubelets["node-1"] = nil
	b.mustMeasure("two")
}

func TestMonitor_PodsAndNodesThatAreGone(t *testing.T) {
	one, two := podOn("node-1", "one"), podOn("node-2", "two")
	second := nodeNamed("node-2", "10.0.0.2")
	b := newBench(t, 0, []*v1alpha1.SharedMemoryPolicy{policytest.AppPolicy("sessions", "a")}, nodeNamed("node-1", "10.0.0.1"), second, one, two)
	b.answerBoth()
	b.mustMeasure("one", "two")

	// The API server says that a Pod is gone, and nothing of it is kept.
	if err := b.client.Delete(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(longestListing)
	b.kubelets["node-2"] = []usage.PodSummary{says("two", b.now, mib)}
	b.mustMeasure("two")
	if n := len(b.monitor.tracked); n != 1 {
		t.Errorf("%d volumes are kept; want 1", n)
	}

	// A node that has vanished with its Pods still there.
	if err := b.client.Delete(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(longestListing)
	b.measure()
	if last := b.logged[len(b.logged)-1]; !strings.Contains(last, `node "node-2" is gone`) {
		t.Errorf("logged last: %q; want that the node is gone", last)
	}

	// Pods that cannot be listed stay as they are.
	b.lists = errors.New("the API server is down")
	b.now = b.now.Add(longestListing)
	b.measure()
	if n := len(b.monitor.tracked); n != 1 {
		t.Errorf("%d volumes are kept while Pods cannot be listed; want 1", n)
	}
}

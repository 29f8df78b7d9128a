package monitor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	// When it answers again, it is measured again at most three rounds later.
	b.answerBoth()
	for range mostSkipped {
		b.measure()
	}
	b.mustMeasure("one", "two")
	b.mustHave("shmkeeper_usage_sources", map[string]float64{"answered": 2, "failed": 0})

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

// A kubelet that keeps failing is asked in one of four rounds, and counts as failed in all of them; the others are asked in each.
func TestMonitor_AsksANodeThatFailsLessOften(t *testing.T) {
	b := newBench(t, 0, []*v1alpha1.SharedMemoryPolicy{policytest.AppPolicy("sessions", "a")},
		nodeNamed("node-1", "10.0.0.1"), nodeNamed("node-2", "10.0.0.2"), podOn("node-1", "one"), podOn("node-2", "two"))
	b.kubelets["node-1"] = []usage.PodSummary{says("one", b.now, mib)}
	var asked []int // the rounds
	for round := range 14 {
		b.asked = nil
		b.measure()
		b.mustHave("shmkeeper_usage_sources", map[string]float64{"answered": 1, "failed": 1})
		if !slices.Contains(b.asked, "10.0.0.1") {
			t.Errorf("round %d: the kubelet that answers is not asked", round)
		}
		if slices.Contains(b.asked, "10.0.0.2") {
			asked = append(asked, round)
		}
	}
	if diff := cmp.Diff([]int{0, 1, 3, 7, 11}, asked); diff != "" {
		t.Errorf("the rounds in which the kubelet that fails is asked (-want +got):\n%s", diff)
	}
	if len(b.logged) != 1 {
		t.Errorf("logged: %q; want the failure once", b.logged)
	}
	// One without volumes is forgotten.
	if err := b.client.Delete(t.Context(), podOn("node-2", "two")); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(longestListing)
	b.measure()
	if len(b.monitor.failing) > 0 {
		t.Errorf("%d kubelets are remembered that have no volumes", len(b.monitor.failing))
	}
}

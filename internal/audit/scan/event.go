package scan

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/internal/workloadevents"
	"github.com/shmkeeper/shmkeeper/policy"
)

// Reasons of the events on workloads.
const (
	// ReasonViolating means that running Pods of the workload violate their policy.
	ReasonViolating = "PodsViolatePolicy"
	// ReasonRejected means that running Pods of the workload could not be created again in a
	// namespace that enforces.
	ReasonRejected = "PodsWouldBeRejected"
)

const (
	// quietFor is how long an event is not repeated: API servers keep one for an hour, and a
	// workload that violates its policy for weeks is not news.
	quietFor = 12 * time.Hour
	// mostEvents bounds the events of one scan.
	mostEvents = 200
)

// Events takes events about workloads. A workloadevents.Recorder is one.
type Events interface {
	// Record takes an event, and reports whether it is new.
	Record(e *workloadevents.Event) bool
}

// recordEvents records events about the workloads of a namespace, at most as many
// events as are left of a scan, and returns how many are left then.
func (s *scanner) recordEvents(n *namespaceTally, left int) int {
	for _, w := range n.workloads {
		for _, e := range w.events() {
			if left == 0 {
				return 0
			}
			e.Namespace = n.name
			if s.Events.Record(e) {
				left--
			}
		}
	}
	return left
}

// events returns those about a workload.
func (w *workload) events() (out []*workloadevents.Event) {
	add := func(reason, note string) {
		out = append(out, &workloadevents.Event{
			Controller: w.controller, Workload: w.name, Type: corev1.EventTypeWarning, Reason: reason, Note: note,
			Topic: w.policy, Quiet: quietFor,
		})
	}
	if w.rejected > 0 {
		add(ReasonRejected, fmt.Sprintf(
			"%s could not be created again in mode enforce under SharedMemoryPolicy %q: %s", pods(w.rejected), w.policy, w.rejection))
	}
	if w.violating > w.rejected {
		add(ReasonViolating, fmt.Sprintf("SharedMemoryPolicy %q is violated by %s: %s", w.policy, pods(w.violating), w.violation))
	}
	return out
}

func pods(n int) string {
	if n == 1 {
		return "1 running Pod"
	}
	return fmt.Sprintf("%d running Pods", n)
}

// controllerOf returns the controller of a Pod, or the Pod.
func controllerOf(pod *audit.Pod) policy.OwnerView {
	if owner := pod.Metadata.Controller(); owner != nil {
		return *owner
	}
	return policy.OwnerView{APIVersion: "v1", Kind: "Pod", Name: pod.Metadata.Name, UID: pod.Metadata.UID}
}

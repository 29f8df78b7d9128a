package webhook

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/internal/workloadevents"
	"github.com/shmkeeper/shmkeeper/policy"
)

// Events records what happens to new Pods as events about their workload, where its owner looks: the
// response to a Deployment says nothing about its Pods. Its methods may be called concurrently. A workloadevents.Recorder is one.
type Events interface {
	// Record takes an event and returns at once, whether or not it is written.
	Record(e *workloadevents.Event) bool
}

// Reasons of the events about workloads.
const (
	// ReasonChanged means that a Pod of the workload was changed as it was created.
	ReasonChanged = "PodChanged"
	// ReasonRejected means that a Pod of the workload was rejected, and does not exist.
	ReasonRejected = "PodRejected"
	// ReasonWouldBeChanged and ReasonWouldBeRejected are what would have happened in mode enforce.
	ReasonWouldBeChanged  = "PodWouldBeChanged"
	ReasonWouldBeRejected = "PodWouldBeRejected"
)

// How long an event is not repeated. API servers keep one for an hour. A controller goes on trying to
// create what is rejected, and each time that is news.
const (
	quietForChanges    = time.Hour
	quietForRejections = 5 * time.Minute
)

// recordEvent records what happens to a new Pod that has a controller: the user who creates one by hand
// reads it in the answer. Nothing is recorded of a dry run, and of what the API server is still to
// ask about once more.
func (o *Options) recordEvent(a *attributes, v *verdict, subject *policy.Subject) {
	if o.Events == nil || a.dryRun || a.call != mutatePod && a.call != createPod {
		return
	}
	controller := subject.Pod.Metadata.Controller()
	if controller == nil {
		return
	}
	reason, note := v.event(a)
	if reason == "" {
		return
	}
	e := &workloadevents.Event{
		Namespace: subject.Namespace, Controller: *controller, Workload: policy.TopWorkloadOf(&subject.Pod.Metadata),
		Type: corev1.EventTypeNormal, Reason: reason, Note: note, Topic: note, Quiet: quietForChanges,
	}
	switch reason {
	case ReasonRejected:
		e.Type, e.Quiet = corev1.EventTypeWarning, quietForRejections
	case ReasonWouldBeRejected:
		e.Type = corev1.EventTypeWarning
	}
	o.Events.Record(e)
}

// event returns what a workload's owner should know of a verdict on a new Pod; the reason is empty if
// that is nothing.
func (v *verdict) event(a *attributes) (reason, note string) {
	switch {
	case v.action == actionPatch:
		return ReasonChanged, fmt.Sprintf("Pods are changed as they are created: SharedMemoryPolicy %q %s", a.evaluation.Policy, a.evaluation.Detail)
	case v.action == actionDeny:
		return ReasonRejected, "a Pod was rejected: it " + v.message
	case a.call != createPod:
		return "", "" // the validating webhook sees the Pod in its final state
	case v.outcome == policy.Violating:
		return ReasonWouldBeRejected, "in mode enforce Pods would be rejected: each " + a.evaluation.Sentence(false, v.violations...)
	case v.outcome == policy.Mutated:
		return ReasonWouldBeChanged, fmt.Sprintf("in mode enforce Pods would be changed as they are created: SharedMemoryPolicy %q %s", a.evaluation.Policy, a.evaluation.Detail)
	default:
		return "", ""
	}
}

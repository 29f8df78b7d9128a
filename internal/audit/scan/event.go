package scan

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"

	"github.com/shmkeeper/shmkeeper/internal/audit"
)

// Reasons of the events on workloads.
const (
	// ReasonChanged means that Pods of the workload were changed when they were created.
	ReasonChanged = "PodsChanged"
	// ReasonViolating means that running Pods of the workload violate their policy.
	ReasonViolating = "PodsViolatePolicy"
	// ReasonRejected means that running Pods of the workload could not be created again in a
	// namespace that enforces.
	ReasonRejected = "PodsWouldBeRejected"
)

const (
	// saidFor is how long an event is not repeated: API servers keep one for an hour, and a
	// workload that violates its policy for weeks is not news.
	saidFor = 12 * time.Hour
	// mostSaid bounds the events that are remembered, and mostEvents those of one scan.
	mostSaid   = 8192
	mostEvents = 200
	// mostOwners bounds the owners that are remembered, and ownersFor how long they are.
	mostOwners = 2048
	ownersFor  = time.Hour
)

// speaker writes events on workloads, each once in a while.
type speaker struct {
	kube     kubernetes.Interface
	recorder events.EventRecorder
	said     *cache.LRUExpireCache // of a saying
	owners   *cache.LRUExpireCache // corev1.ObjectReference, by the UID of what they own
}

// saying is what is not repeated.
type saying struct {
	namespace, workload, reason, policy string
}

func newSpeaker(kube kubernetes.Interface, recorder events.EventRecorder) *speaker {
	return &speaker{kube: kube, recorder: recorder, said: cache.NewLRUExpireCache(mostSaid), owners: cache.NewLRUExpireCache(mostOwners)}
}

// say writes what there is to say about the workloads of a namespace, at most as many events as
// are left of a scan, and returns how many are left then.
func (s *speaker) say(ctx context.Context, n *namespaceTally, left int) int {
	for owner, w := range n.workloads {
		for _, e := range w.events() {
			key := saying{n.name, owner.String(), e.reason, w.policy}
			if _, found := s.said.Get(key); found {
				continue
			}
			if left == 0 {
				return 0
			}
			about, ok := s.reference(ctx, n.name, owner, w)
			if !ok {
				continue
			}
			left--
			s.said.Add(key, true, saidFor)
			s.recorder.Eventf(about, nil, e.kind, e.reason, "Audit", "%s", shorten(e.note, longestNote))
		}
	}
	return left
}

type workloadEvent struct{ kind, reason, note string }

// events returns what there is to say about a workload.
func (w *workload) events() (out []workloadEvent) {
	if w.changed > 0 {
		out = append(out, workloadEvent{corev1.EventTypeNormal, ReasonChanged, fmt.Sprintf(
			"shmkeeper changed %s when they were created: their annotation shmkeeper.dev/injected says how", pods(w.changed))})
	}
	if w.rejected > 0 {
		out = append(out, workloadEvent{corev1.EventTypeWarning, ReasonRejected, fmt.Sprintf(
			"%s could not be created again in mode enforce under SharedMemoryPolicy %q: %s", pods(w.rejected), w.policy, w.rejection)})
	}
	if w.violating > w.rejected {
		out = append(out, workloadEvent{corev1.EventTypeWarning, ReasonViolating, fmt.Sprintf(
			"SharedMemoryPolicy %q is violated by %s: %s", w.policy, pods(w.violating), w.violation)})
	}
	return out
}

func pods(n int) string {
	if n == 1 {
		return "1 running Pod"
	}
	return fmt.Sprintf("%d running Pods", n)
}

// reference returns a reference to a workload. Of the Deployment of a ReplicaSet, and of the
// CronJob of a Job, the owner of the Pods has to be read, since an event is found by the UID of
// what it is about. ok is false if it is there no more.
func (s *speaker) reference(ctx context.Context, namespace string, owner audit.Workload, w *workload) (about *corev1.ObjectReference, ok bool) {
	controller := w.controller
	direct := &corev1.ObjectReference{
		APIVersion: controller.APIVersion, Kind: controller.Kind, Namespace: namespace, Name: controller.Name, UID: controller.UID,
	}
	isJob := controller.Kind == "Job" && controller.APIVersion == batchv1.SchemeGroupVersion.String()
	if owner.Kind != "Deployment" && !isJob {
		return direct, true
	}
	if known, found := s.owners.Get(controller.UID); found {
		if reference, isReference := known.(corev1.ObjectReference); isReference {
			return &reference, true
		}
	}
	meta, err := s.metadata(ctx, namespace, controller.Name, isJob)
	if err != nil || meta.UID != controller.UID {
		return nil, false
	}
	about = direct
	if up := metav1.GetControllerOfNoCopy(meta); up != nil {
		about = &corev1.ObjectReference{APIVersion: up.APIVersion, Kind: up.Kind, Namespace: namespace, Name: up.Name, UID: up.UID}
	}
	s.owners.Add(controller.UID, *about, ownersFor)
	return about, true
}

// metadata reads a Job or a ReplicaSet.
func (s *speaker) metadata(ctx context.Context, namespace, name string, isJob bool) (*metav1.ObjectMeta, error) {
	if isJob {
		job, err := s.kube.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return &job.ObjectMeta, nil
	}
	set, err := s.kube.AppsV1().ReplicaSets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return &set.ObjectMeta, nil
}

// controllerOf returns the controller of a Pod, or the Pod.
func controllerOf(pod *audit.Pod) metav1.OwnerReference {
	owner := metav1.GetControllerOfNoCopy(&metav1.ObjectMeta{OwnerReferences: pod.Metadata.OwnerReferences})
	if owner == nil {
		return metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: pod.Metadata.Name, UID: pod.Metadata.UID}
	}
	return *owner
}

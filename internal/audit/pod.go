package audit

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shmkeeper/shmkeeper/policy"
)

// Pod is the part of a Pod that an audit reads. Its JSON form is that of a Pod, so it can be decoded
// from one without the rest.
type Pod struct {
	Metadata Metadata        `json:"metadata"`
	Spec     policy.SpecView `json:"spec"`
	Status   Status          `json:"status"`
}

// Metadata is the part of a Pod's metadata that an audit reads.
type Metadata struct {
	policy.MetadataView
	UID types.UID `json:"uid"`
}

// Status is the part of a Pod's status that an audit reads.
type Status struct {
	Phase corev1.PodPhase `json:"phase"`
}

// PodOf returns the part of a Pod that an audit reads, with which it shares memory.
func PodOf(pod *corev1.Pod) *Pod {
	view := policy.ViewOf(&pod.ObjectMeta, &pod.Spec)
	return &Pod{
		Metadata: Metadata{MetadataView: view.Metadata, UID: pod.UID},
		Spec:     view.Spec, Status: Status{Phase: pod.Status.Phase},
	}
}

// Over reports whether the Pod has ended, or is being deleted: there is nothing to audit.
func (p *Pod) Over() bool {
	return p.Metadata.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// Workload names the object that somebody has to change for a Pod to change.
type Workload struct {
	APIVersion, Kind, Name string
	// UID is empty if only the name is known.
	UID types.UID
}

// String returns the workload as kind/name, such as Deployment/outpost.
func (w Workload) String() string { return w.Kind + "/" + w.Name }

// WorkloadOf returns the controller of a Pod, or the Pod if it has none. If the controller is the
// ReplicaSet of a Deployment, it returns the Deployment, whose name is known: the Deployment controller
// puts the label pod-template-hash on its Pods, and ends the names of its ReplicaSets in the same
// (k8s.io/kubernetes, pkg/controller/deployment, getNewReplicaSet). The Job of a CronJob is returned
// itself, unlike by policy.TopWorkloadOf.
func WorkloadOf(pod *Pod) Workload {
	owner := pod.Metadata.Controller()
	if owner == nil {
		return Workload{APIVersion: "v1", Kind: "Pod", Name: pod.Metadata.Name, UID: pod.Metadata.UID}
	}
	hash := pod.Metadata.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	if owner.Kind == "ReplicaSet" && owner.APIVersion == appsv1.SchemeGroupVersion.String() && hash != "" {
		if name, ok := strings.CutSuffix(owner.Name, "-"+hash); ok && name != "" {
			return Workload{APIVersion: owner.APIVersion, Kind: "Deployment", Name: name}
		}
	}
	return Workload{APIVersion: owner.APIVersion, Kind: owner.Kind, Name: owner.Name, UID: owner.UID}
}

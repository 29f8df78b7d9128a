package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Condition types of a policy.
const (
	// ConditionAccepted is True when the current policy is in force.
	ConditionAccepted = "Accepted"
	// ConditionMatchConditionCurrent is True when the webhooks' match condition lets
	// through every Pod that the current policy could match.
	ConditionMatchConditionCurrent = "MatchConditionCurrent"
	// ConditionSizeSufficient is False when the size that the policy gives will fill up.
	ConditionSizeSufficient = "SizeSufficient"
)

// SharedMemoryPolicyStatus is what shmkeeper writes.
type SharedMemoryPolicyStatus struct {
	// The generation that the status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// The size that the policy gives, or what it depends on, in a few words: 897Mi, 30% of
	// memory, none.
	// +optional
	Size string `json:"size,omitempty"`
	// The size limit that the policy gives a Pod without overrides.
	// +optional
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty"`
	// The size limit and the kernel memory of the files that fit in it: the most that
	// a memory cgroup is charged.
	// +optional
	MemoryCost *resource.Quantity `json:"memoryCost,omitempty"`
	// Accepted, MatchConditionCurrent and SizeSufficient.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Running Pods that the policy matches and decides about.
	// +optional
	MatchedPods *int32 `json:"matchedPods,omitempty"`
	// Of these, the ones that violate it.
	// +optional
	ViolatingPods *int32 `json:"violatingPods,omitempty"`
	// Running Pods that the policy would now give another size.
	// +optional
	OutdatedPods *int32 `json:"outdatedPods,omitempty"`
	// How many Pods violate the policy, for each reason.
	// +optional
	// +listType=map
	// +listMapKey=reason
	// +kubebuilder:validation:MaxItems=16
	ViolationsByReason []ViolationCount `json:"violationsByReason,omitempty"`
	// What was measured on running Pods.
	// +optional
	// +listType=map
	// +listMapKey=namespace
	// +listMapKey=workload
	// +kubebuilder:validation:MaxItems=20
	Observed []Observation `json:"observed,omitempty"`
	// When running Pods were last scanned.
	// +optional
	LastScanTime *metav1.Time `json:"lastScanTime,omitempty"`
}

// ViolationCount is the number of Pods that violate a policy for one reason.
type ViolationCount struct {
	// The reason, such as NoMount.
	// +required
	Reason string `json:"reason"`
	// How many Pods.
	// +required
	Pods int32 `json:"pods"`
}

// Observation is what was measured on the running Pods of one workload.
type Observation struct {
	// The workload's namespace.
	// +required
	Namespace string `json:"namespace"`
	// The workload as kind/name, such as Deployment/outpost.
	// +required
	Workload string `json:"workload"`
	// Files created a minute, as a decimal number.
	// +optional
	CreatedPerMinute string `json:"createdPerMinute,omitempty"`
	// Average size of a file.
	// +optional
	FileSize *resource.Quantity `json:"fileSize,omitempty"`
	// How old files get.
	// +optional
	Retention *Duration `json:"retention,omitempty"`
	// The size limit that these figures would give.
	// +optional
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty"`
}

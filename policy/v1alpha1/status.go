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
	// Files created a minute, as a decimal number: of the busiest Pod, over the busiest stretch
	// of the retention.
	// +optional
	CreatedPerMinute string `json:"createdPerMinute,omitempty"`
	// The interval of confidence of createdPerMinute, at 95 %, such as "17.2 to 19.1".
	// +optional
	CreatedPerMinuteInterval string `json:"createdPerMinuteInterval,omitempty"`
	// What a file occupies on average: whole pages.
	// +optional
	FileSize *resource.Quantity `json:"fileSize,omitempty"`
	// How old files get. Absent until the first have been deleted.
	// +optional
	Retention *Duration `json:"retention,omitempty"`
	// The most that was in use in one Pod.
	// +optional
	Peak *resource.Quantity `json:"peak,omitempty"`
	// The size limit that these figures would give, within min and max.
	// +optional
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty"`
	// What the volumes of today are, measured by these figures: TooSmall, Right or Wasteful.
	// +optional
	Recommendation Recommendation `json:"recommendation,omitempty"`
	// When the volumes were last measured.
	// +optional
	LastObserved *metav1.Time `json:"lastObserved,omitempty"`
}

// Recommendation says what a volume is, measured by what was observed.
//
// +kubebuilder:validation:Enum=TooSmall;Right;Wasteful
type Recommendation string

// What a volume is, measured by what was observed.
const (
	// RecommendTooSmall: it does not hold what is required.
	RecommendTooSmall Recommendation = "TooSmall"
	// RecommendRight: it holds that, and no more than twice the size limit that it would give.
	RecommendRight Recommendation = "Right"
	// RecommendWasteful: it is more than twice that.
	RecommendWasteful Recommendation = "Wasteful"
)

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SharedMemoryPolicy says how large /dev/shm has to be for the Pods that it
// matches, and what happens to a Pod that would run without.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=shmp
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Size",type=string,JSONPath=`.status.sizeLimit`
// +kubebuilder:printcolumn:name="Bounded",type=string,JSONPath=`.status.conditions[?(@.type=="Bounded")].status`
// +kubebuilder:printcolumn:name="Pods",type=integer,JSONPath=`.status.governedPods`
// +kubebuilder:printcolumn:name="Violations",type=integer,JSONPath=`.status.violations`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SharedMemoryPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What the policy matches, how it sizes /dev/shm, and what it does.
	// +required
	Spec SharedMemoryPolicySpec `json:"spec"`
	// What shmkeeper found: the size the policy gives, and how many Pods it governs.
	// +optional
	Status SharedMemoryPolicyStatus `json:"status,omitempty"`
}

// SharedMemoryPolicyList is a list of policies.
//
// +kubebuilder:object:root=true
type SharedMemoryPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SharedMemoryPolicy `json:"items"`
}

// SharedMemoryPolicySpec is what the author of a policy writes.
type SharedMemoryPolicySpec struct {
	// The most that this policy does: Enforce mends Pods and refuses those that
	// violate it, Warn only warns the client, Audit only reports. The label
	// shmkeeper.dev/mode of the namespace and the server's --max-mode can lower
	// it, never raise it.
	// +optional
	// +kubebuilder:default=Enforce
	Mode Mode `json:"mode,omitempty"`

	// Of all policies that match a Pod the one with the highest priority governs
	// it; between equals the name that sorts first.
	// +optional
	Priority int32 `json:"priority,omitempty"`

	// Which Pods the policy governs. Every field that is given must match.
	// +required
	// +kubebuilder:validation:XValidation:rule="has(self.podSelector) || has(self.namespaceSelector) || has(self.images) || has(self.tmpfsPaths)",message="must have at least one of podSelector, namespaceSelector, images and tmpfsPaths: add the one that recognises the workload"
	Match Match `json:"match"`

	// Pods that the policy leaves alone although they match. Every field that is
	// given must match; an empty exclude excludes nothing.
	// +optional
	Exclude *Match `json:"exclude,omitempty"`

	// Names of the containers that get the mount, as globs ("*" for all). Regular
	// containers and restartable init containers are looked at.
	// +optional
	// +listType=set
	// +kubebuilder:default={"*"}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.size() > 0",message="must not be empty: write a container's name, or * for all"
	Containers []string `json:"containers,omitempty"`

	// Where the volume is mounted: an absolute path in its shortest spelling.
	// +optional
	// +kubebuilder:default="/dev/shm"
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$')",message="must be an absolute path without empty, . or .. parts, such as /dev/shm"
	MountPath string `json:"mountPath,omitempty"`

	// How large /dev/shm has to be.
	// +required
	Sizing Sizing `json:"sizing"`

	// What happens to the memory of a container that gets the mount, since all
	// that is written to the volume counts against it. Raise adds the charge to
	// its memory limit and the expected use to its request; Require raises
	// nothing and makes a limit below the charge a violation; Ignore does neither.
	// +optional
	// +kubebuilder:default=Raise
	Memory MemoryHandling `json:"memory,omitempty"`

	// What happens to a Memory emptyDir that is mounted already but is too small
	// or has no sizeLimit: Resize sets its sizeLimit, Keep makes it a violation.
	// +optional
	// +kubebuilder:default=Resize
	Existing ExistingHandling `json:"existing,omitempty"`

	// Restricted mounts the volume noexec, nosuid and nodev, as the runtime's own
	// /dev/shm is (KEP-5855). A kubelet that does not know the field rejects the
	// Pod, so use it only when every node supports it.
	// +optional
	// +kubebuilder:default=Never
	BindMountOptions BindMountOptions `json:"bindMountOptions,omitempty"`

	// Disabled leaves Pods unchanged and keeps the checks.
	// +optional
	// +kubebuilder:default=Enabled
	Mutation Mutation `json:"mutation,omitempty"`

	// Allowed lets a Pod carry shmkeeper.dev/files-per-minute, /retention,
	// /file-size and /size-limit. Whatever it asks for stays within sizing.min
	// and sizing.max.
	// +optional
	// +kubebuilder:default=Allowed
	Overrides Permission `json:"overrides,omitempty"`

	// Allowed lets a Pod carry shmkeeper.dev/exempt with a reason, and be left alone.
	// +optional
	// +kubebuilder:default=Denied
	Exemptions Permission `json:"exemptions,omitempty"`
}

// Match selects Pods. A field that is absent matches every Pod.
type Match struct {
	// Labels of the Pod.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`

	// Labels of the Pod's namespace.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// Repositories, as globs; one of them has to match the image of one container
	// or init container. An asterisk stands for any text within one part of the
	// path. A name without a registry is one of Docker Hub's, as in a Pod.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:XValidation:rule="self.size() > 0 && !self.contains('@') && !self.matches(':[^/]*$')",message="must be a repository without tag or digest, such as ghcr.io/goauthentik/proxy"
	Images []string `json:"images,omitempty"`

	// Detect matches a Pod of which a container's environment, command or
	// arguments name a path at or under mountPath.
	// +optional
	TmpfsPaths TmpfsPaths `json:"tmpfsPaths,omitempty"`
}

// Sizing computes the sizeLimit: exactly one model, then the bounds of its result.
//
// +kubebuilder:validation:XValidation:rule="[has(self.files), has(self.fixed), has(self.memoryPercent), has(self.units)].filter(given, given).size() == 1",message="must have exactly one of files, fixed, memoryPercent and units: keep the model that describes the workload"
// +kubebuilder:validation:XValidation:rule="!(isQuantity(string(self.min)) && isQuantity(string(self.max))) || quantity(string(self.min)).compareTo(quantity(string(self.max))) <= 0",message="min must not be greater than max: lower min or raise max"
type Sizing struct {
	// For programs that write a file for each request or session and delete it
	// when it is old.
	// +optional
	Files *Files `json:"files,omitempty"`

	// For workloads whose documentation recommends a size.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0')) && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="must be greater than 0 and at most 1Pi, such as 1Gi"
	Fixed *resource.Quantity `json:"fixed,omitempty"`

	// For workloads that take a share of their memory: per cent of the container's
	// memory limit, or of its request where it has no limit.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 100",message="must be from 1 to 100"
	MemoryPercent *int32 `json:"memoryPercent,omitempty"`

	// For workloads that need so much for each camera, model or GPU.
	// +optional
	Units *Units `json:"units,omitempty"`

	// Spare room on top of the computed demand, in per cent. Without it 25 for
	// files, and 0 for the other models, which name the size themselves.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 0 && self <= 1000",message="must be from 0 to 1000"
	HeadroomPercent *int32 `json:"headroomPercent,omitempty"`

	// The smallest sizeLimit that is given, in whole MiB.
	// +optional
	// +kubebuilder:default="64Mi"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0 && quantity(string(self)).sub(int(quantity(string(self)).asApproximateFloat() / 1048576.0 + 0.5) * 1048576).compareTo(quantity('0')) == 0",message="must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi"
	Min *resource.Quantity `json:"min,omitempty"`

	// The largest sizeLimit that is given, in whole MiB, whatever a Pod asks for.
	// +optional
	// +kubebuilder:default="4Gi"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0 && quantity(string(self)).sub(int(quantity(string(self)).asApproximateFloat() / 1048576.0 + 0.5) * 1048576).compareTo(quantity('0')) == 0",message="must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi"
	Max *resource.Quantity `json:"max,omitempty"`

	// Page size of the nodes' kernels: tmpfs charges whole pages. 4Ki except on
	// arm64 kernels built for 16Ki or 64Ki.
	// +optional
	// +kubebuilder:default="4Ki"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && ['4Ki', '16Ki', '64Ki'].exists(size, quantity(string(self)).compareTo(quantity(size)) == 0)",message="must be 4Ki, 16Ki or 64Ki"
	PageSize *resource.Quantity `json:"pageSize,omitempty"`
}

// Files describes a program that writes a file for each request.
type Files struct {
	// How many files are created a minute, on average over the busiest stretch of
	// the retention: a decimal number such as "18" or "0.5".
	// +required
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,9}([.][0-9]{1,9})?$') && double(self) > 0.0",message="must be a positive decimal number of files a minute, such as \"18\" or \"0.5\""
	CreatedPerMinute string `json:"createdPerMinute"`

	// How many files are created at once.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 1000000",message="must be from 1 to 1000000"
	Batch *int32 `json:"batch,omitempty"`

	// How old a file gets before it may be deleted. Without it nothing is ever
	// deleted, and no size is enough.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,9})?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a positive duration in h, m, s or ms, such as 168h: a day is 24h"
	Retention *Duration `json:"retention,omitempty"`

	// How often files that are old enough are deleted.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,9})?(ms|s|m|h))+$')",message="must be a duration in h, m, s or ms, such as 5m: a day is 24h"
	SweepInterval *Duration `json:"sweepInterval,omitempty"`

	// Size of one file in bytes, or as a quantity.
	// +required
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0')) && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="must be greater than 0 and at most 1Pi, such as 1500 or 16Ki"
	FileSize resource.Quantity `json:"fileSize"`

	// The accepted probability that the files alive at a moment need more than
	// the demand: a number such as "1e-6".
	// +optional
	// +kubebuilder:default="1e-6"
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,2}([.][0-9]{1,15})?([eE]-?[0-9]{1,2})?$') && double(self) >= 1e-12 && double(self) <= 0.1",message="must be a probability from 1e-12 to 0.1, such as \"1e-6\""
	OverflowProbability string `json:"overflowProbability,omitempty"`
}

// Units sizes by a count: base + each x count.
type Units struct {
	// What is needed whatever the count.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('0')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="must be from 0 to 1Pi, such as 40Mi"
	Base *resource.Quantity `json:"base,omitempty"`

	// What each unit needs.
	// +required
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0')) && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="must be greater than 0 and at most 1Pi, such as 64Mi"
	Each resource.Quantity `json:"each"`

	// Where the count is from.
	// +required
	CountFrom CountFrom `json:"countFrom"`
}

// CountFrom names the source of a count: exactly one of its fields.
//
// +kubebuilder:validation:XValidation:rule="[has(self.annotation), has(self.resource), has(self.literal)].filter(given, given).size() == 1",message="must have exactly one of annotation, resource and literal: keep the one that holds the count"
type CountFrom struct {
	// An annotation of the Pod that holds the count. A Pod without it counts as
	// one unit, with a warning.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.size() > 0",message="must be the name of an annotation, such as frigate/cameras"
	Annotation *string `json:"annotation,omitempty"`

	// A resource, counted over the limits (or else requests) of the containers
	// that get the mount, such as nvidia.com/gpu.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.size() > 0",message="must be the name of a resource, such as nvidia.com/gpu"
	Resource *string `json:"resource,omitempty"`

	// The count itself.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 1000000",message="must be from 1 to 1000000"
	Literal *int32 `json:"literal,omitempty"`
}

// Duration is a length of time in hours, minutes, seconds and milliseconds, as
// time.ParseDuration reads it: 168h, 1h30m. It is kept as it was written, so that
// a wrong one is reported together with everything else that is wrong.
//
// +kubebuilder:validation:MaxLength=20
type Duration string

// Mode is what a policy does at most.
//
// +kubebuilder:validation:Enum=Audit;Enforce;Warn
type Mode string

// The modes, from the one that does least.
const (
	Audit   Mode = "Audit"
	Warn    Mode = "Warn"
	Enforce Mode = "Enforce"
)

// MemoryHandling says what happens to a container's memory.
//
// +kubebuilder:validation:Enum=Ignore;Raise;Require
type MemoryHandling string

// What happens to the memory of a container that gets the mount.
const (
	MemoryRaise   MemoryHandling = "Raise"
	MemoryRequire MemoryHandling = "Require"
	MemoryIgnore  MemoryHandling = "Ignore"
)

// ExistingHandling says what happens to a volume that is mounted already.
//
// +kubebuilder:validation:Enum=Keep;Resize
type ExistingHandling string

// What happens to a Memory emptyDir that is too small or unbounded.
const (
	ExistingResize ExistingHandling = "Resize"
	ExistingKeep   ExistingHandling = "Keep"
)

// BindMountOptions says whether the mount is restricted.
//
// +kubebuilder:validation:Enum=Never;Restricted
type BindMountOptions string

// Whether noexec, nosuid and nodev are set on the mount.
const (
	BindMountNever      BindMountOptions = "Never"
	BindMountRestricted BindMountOptions = "Restricted"
)

// Mutation says whether Pods are changed.
//
// +kubebuilder:validation:Enum=Disabled;Enabled
type Mutation string

// Whether Pods are changed.
const (
	MutationEnabled  Mutation = "Enabled"
	MutationDisabled Mutation = "Disabled"
)

// Permission says whether an annotation of a Pod counts.
//
// +kubebuilder:validation:Enum=Allowed;Denied
type Permission string

// Whether an annotation of a Pod counts.
const (
	Allowed Permission = "Allowed"
	Denied  Permission = "Denied"
)

// TmpfsPaths says whether paths in a container's settings are looked at.
//
// +kubebuilder:validation:Enum=Detect
type TmpfsPaths string

// TmpfsPathsDetect looks for paths in a container's environment, command and arguments.
const TmpfsPathsDetect TmpfsPaths = "Detect"

// Condition types of a policy.
const (
	// ConditionAccepted is True when the policy as it stands is in force.
	ConditionAccepted = "Accepted"
	// ConditionBounded is False when the size that the policy gives will fill up.
	ConditionBounded = "Bounded"
)

// SharedMemoryPolicyStatus is what shmkeeper writes.
type SharedMemoryPolicyStatus struct {
	// The sizeLimit that the policy gives a Pod without overrides.
	// +optional
	SizeLimit *resource.Quantity `json:"sizeLimit,omitempty"`
	// The sizeLimit and the kernel memory of the files that fit in it: what the
	// memory cgroup may be billed.
	// +optional
	Charge *resource.Quantity `json:"charge,omitempty"`
	// Accepted and Bounded.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Running Pods that the policy governs.
	// +optional
	GovernedPods *int32 `json:"governedPods,omitempty"`
	// Of these, the ones that violate it.
	// +optional
	Violations *int32 `json:"violations,omitempty"`
}

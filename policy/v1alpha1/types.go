package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SharedMemoryPolicy describes how large /dev/shm has to be for the Pods that it
// matches, and what happens to a Pod that would run without it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=shmp
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Size",type=string,JSONPath=`.status.sizeLimit`
// +kubebuilder:printcolumn:name="Sufficient",type=string,JSONPath=`.status.conditions[?(@.type=="SizeSufficient")].status`
// +kubebuilder:printcolumn:name="Pods",type=integer,JSONPath=`.status.matchedPods`
// +kubebuilder:printcolumn:name="Violations",type=integer,JSONPath=`.status.violatingPods`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SharedMemoryPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What the policy matches, how it sizes /dev/shm, and what it does.
	// +required
	Spec SharedMemoryPolicySpec `json:"spec"`
	// What shmkeeper found: the size that the policy gives, and how many Pods it matches.
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
	// The most that this policy does: Enforce fixes Pods and rejects those that still
	// violate it, Warn only warns the client, Audit only reports. The label
	// shmkeeper.dev/mode of the namespace and the server's --max-mode can lower it,
	// never raise it.
	// +optional
	// +kubebuilder:default=Enforce
	Mode Mode `json:"mode,omitempty"`

	// Of all policies that match a Pod, the one with the highest priority decides;
	// between equals the name that sorts first.
	// +optional
	Priority int32 `json:"priority,omitempty"`

	// Which Pods the policy applies to: those that any entry matches.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Match []Match `json:"match"`

	// Pods that the policy leaves alone although they match: those that any entry matches.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Exclude []Match `json:"exclude,omitempty"`

	// The containers that write to the volume: they must have it mounted, and are
	// charged for what is in it.
	// +optional
	Writers *Writers `json:"writers,omitempty"`

	// Where the volume is mounted: an absolute path in its shortest spelling.
	// +optional
	// +kubebuilder:default="/dev/shm"
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$')",message="must be an absolute path without empty, . or .. parts, such as /dev/shm"
	// +kubebuilder:validation:XValidation:rule="!(self in ['/dev', '/etc', '/usr', '/var', '/run', '/var/run']) && !['/proc', '/sys', '/run/secrets', '/var/run/secrets'].exists(d, self == d || self.startsWith(d + '/'))",message="must not hide a directory that every container needs: choose a path such as /dev/shm or /cache"
	MountPath string `json:"mountPath,omitempty"`

	// How large the volume has to be. Without it Pods are checked and never changed:
	// what is mounted must be a bounded Memory emptyDir, and memory counts as Require.
	// +optional
	Sizing *Sizing `json:"sizing,omitempty"`

	// What happens to the memory of the writers, since all that is in the volume
	// counts against it.
	// +optional
	// +kubebuilder:default={}
	Memory Memory `json:"memory,omitempty"`

	// What happens to a Memory emptyDir that is mounted already. Enlarge raises a
	// sizeLimit that is too small and warns about a missing one, SetLimit sets a missing
	// one too, Require makes either a violation, Leave only warns about both.
	// +optional
	// +kubebuilder:default=Enlarge
	Existing ExistingHandling `json:"existing,omitempty"`

	// Whether a writer may use the node's own /dev/shm, by hostIPC or a hostPath volume.
	// Allowed skips such a Pod, Denied makes it a violation.
	// +optional
	// +kubebuilder:default=Allowed
	HostShm Permission `json:"hostShm,omitempty"`

	// Options of the mounts that are added, as in the core field of the same name
	// (KEP-5855). A kubelet that does not know the field rejects the Pod, so set it only
	// if every node supports it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:XValidation:rule="self.all(o, self.filter(p, p == o).size() == 1)",message="must not name an option twice: remove the second one"
	BindMountOptions []BindMountOption `json:"bindMountOptions,omitempty"`

	// Disabled leaves Pods unchanged and keeps the checks.
	// +optional
	// +kubebuilder:default=Enabled
	Mutation Mutation `json:"mutation,omitempty"`

	// Whether the annotations shmkeeper.dev/files-per-minute, retention, file-size and
	// size-limit of a Pod change its size. RaiseOnly ignores, with a warning, what would
	// lower it; Allowed follows them; Denied makes them a violation. The size stays within
	// sizing.min and sizing.max.
	// +optional
	// +kubebuilder:default=RaiseOnly
	Overrides OverrideHandling `json:"overrides,omitempty"`

	// Whether a Pod that carries shmkeeper.dev/exempt with a reason is left alone.
	// +optional
	// +kubebuilder:default=Denied
	Exemptions Permission `json:"exemptions,omitempty"`
}

// Match selects Pods: every field that is given must match.
//
// +kubebuilder:validation:XValidation:rule="has(self.podSelector) || has(self.namespaceSelector) || has(self.images) || has(self.tmpfsPaths) || has(self.mounted)",message="must have at least one of podSelector, namespaceSelector, images, tmpfsPaths and mounted: add the one that recognizes the workload"
type Match struct {
	// Labels of the Pod.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`

	// Labels of the Pod's namespace.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// Repositories, as globs; one of them has to match the image of a regular or
	// sidecar container. An asterisk stands for any text within one part of the path. A
	// name without a registry is one of Docker Hub's, as in a Pod.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:XValidation:rule="self.size() > 0 && !self.contains('@') && !self.matches(':[^/]*$')",message="must be a repository without tag or digest, such as ghcr.io/goauthentik/proxy"
	Images []string `json:"images,omitempty"`

	// Detect matches a Pod in which a container's environment, command or arguments
	// name a path at or under mountPath. An entry with this field alone is a guess: it
	// adds a volume where there is none, and otherwise only warns.
	// +optional
	TmpfsPaths TmpfsPaths `json:"tmpfsPaths,omitempty"`

	// True matches a Pod that mounts something at mountPath or below it.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self",message="must be true: remove the field to match Pods that mount nothing as well"
	Mounted *bool `json:"mounted,omitempty"`
}

// Writers names the containers that write to the volume.
type Writers struct {
	// Names of containers, as globs. Without it, or if none matches, the writers are the
	// containers whose image matched, else those that name the path, else the Pod's main
	// container.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:XValidation:rule="self.size() > 0",message="must not be empty: write a container's name, or * for all"
	Names []string `json:"names,omitempty"`
}

// Memory says what happens to the memory of the writers.
type Memory struct {
	// Raise adds the memory cost to the writers' memory limits and the average use to the
	// first writer's request; Require raises nothing and makes a limit that is too low a
	// violation; Ignore only warns about one. Without sizing it counts as Require.
	// +optional
	// +kubebuilder:default=Raise
	Handling MemoryHandling `json:"handling,omitempty"`

	// The memory for the process that a writer's limit must hold beside a full volume.
	// +optional
	// +kubebuilder:default="32Mi"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('0')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="must be from 0 to 1Pi, such as 32Mi"
	Reserve *resource.Quantity `json:"reserve,omitempty"`
}

// Sizing computes the size limit: exactly one model, then the bounds of its result.
//
// +kubebuilder:validation:XValidation:rule="[has(self.files), has(self.fixed), has(self.memoryPercent), has(self.units)].filter(given, given).size() == 1",message="must have exactly one of files, fixed, memoryPercent and units: keep the model that describes the workload"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !(isQuantity(string(self.min)) && isQuantity(string(self.max))) || quantity(string(self.min)).compareTo(quantity(string(self.max))) <= 0",message="min must not be greater than max: lower min or raise max"
// +kubebuilder:validation:XValidation:rule="!has(self.fixed) || !(isQuantity(string(self.fixed.size)) && isQuantity(string(self.max))) || quantity(string(self.fixed.size)).compareTo(quantity(string(self.max))) <= 0",message="must not be greater than max, which is 4Gi if it is absent: raise max or lower the size",fieldPath=".fixed.size"
type Sizing struct {
	// For programs that write a file for each request or session and delete it
	// when it is old.
	// +optional
	Files *Files `json:"files,omitempty"`

	// For workloads whose documentation recommends a size.
	// +optional
	Fixed *Fixed `json:"fixed,omitempty"`

	// For workloads that take a share of their memory.
	// +optional
	MemoryPercent *MemoryPercent `json:"memoryPercent,omitempty"`

	// For workloads that need so much for each camera, model or GPU.
	// +optional
	Units *Units `json:"units,omitempty"`

	// Spare room on top of the required size, in per cent. Without it 25 for files, and 0
	// for the other models, which name the size themselves.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 0 && self <= 1000",message="must be from 0 to 1000"
	HeadroomPercent *int32 `json:"headroomPercent,omitempty"`

	// The smallest size limit that is given, in whole MiB. Without it 64Mi, or max if that
	// is smaller.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0 && quantity(string(self)).sub(int(quantity(string(self)).asApproximateFloat() / 1048576.0 + 0.5) * 1048576).compareTo(quantity('0')) == 0",message="must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi"
	Min *resource.Quantity `json:"min,omitempty"`

	// The largest size limit that is given, in whole MiB, whatever a Pod asks for.
	// +optional
	// +kubebuilder:default="4Gi"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('1Pi')) <= 0 && quantity(string(self)).sub(int(quantity(string(self)).asApproximateFloat() / 1048576.0 + 0.5) * 1048576).compareTo(quantity('0')) == 0",message="must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi"
	Max *resource.Quantity `json:"max,omitempty"`

	// Page size of the nodes' kernels: tmpfs charges whole pages. It is 4Ki except on
	// arm64 kernels that are built for 16Ki or 64Ki.
	// +optional
	// +kubebuilder:default="4Ki"
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && ['4Ki', '16Ki', '64Ki'].exists(size, quantity(string(self)).compareTo(quantity(size)) == 0)",message="must be 4Ki, 16Ki or 64Ki"
	PageSize *resource.Quantity `json:"pageSize,omitempty"`

	// Kernel memory that an empty file with a short name costs on the nodes' kernels, in
	// bytes, for those who have measured it: its inode, its directory entry and, where
	// SELinux labels files, its label. Without it 1112, the most that was measured.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 256 && self <= 65536",message="must be from 256 to 65536"
	KernelBytesPerFile *int32 `json:"kernelBytesPerFile,omitempty"`
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

	// How long the files' names are, in bytes: those of 40 and more cost kernel memory of
	// their own. Without it the names count as 40 to 71 long.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 255",message="must be from 1 to 255"
	NameLength *int32 `json:"nameLength,omitempty"`

	// The accepted probability that the files alive at a moment need more than
	// the required size: a number such as "1e-6".
	// +optional
	// +kubebuilder:default="1e-6"
	// +kubebuilder:validation:MaxLength=24
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,2}([.][0-9]{1,15})?([eE]-?[0-9]{1,2})?$') && double(self) >= 1e-12 && double(self) <= 0.1",message="must be a probability from 1e-12 to 0.1, such as \"1e-6\""
	OverflowProbability string `json:"overflowProbability,omitempty"`

	// Which rate counts: Declared is createdPerMinute, Observed the one that was measured
	// on running Pods, never below createdPerMinute.
	// +optional
	// +kubebuilder:default=Declared
	Source FilesSource `json:"source,omitempty"`
}

// Fixed names the size itself.
type Fixed struct {
	// The required size.
	// +required
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0')) && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="must be greater than 0 and at most 1Pi, such as 1Gi"
	Size resource.Quantity `json:"size"`

	// Size of one file, for workloads that write many small ones: each costs kernel
	// memory. Without it one large file is assumed.
	// +optional
	// +kubebuilder:validation:XValidation:rule="isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0')) && quantity(string(self)).compareTo(quantity('1Pi')) <= 0",message="must be greater than 0 and at most 1Pi, such as 1500 or 16Ki"
	FileSize *resource.Quantity `json:"fileSize,omitempty"`

	// How much of the required size is in use on average, in per cent, and so requested.
	// +optional
	// +kubebuilder:default=100
	// +kubebuilder:validation:XValidation:rule="self >= 0 && self <= 100",message="must be from 0 to 100"
	ExpectedUsePercent *int32 `json:"expectedUsePercent,omitempty"`
}

// MemoryPercent sizes by the writers' memory.
type MemoryPercent struct {
	// Per cent of the writers' memory limit, or of the request if there is no limit.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 100",message="must be from 1 to 100"
	Percent int32 `json:"percent"`

	// How much of the required size is in use on average, in per cent, and so requested.
	// +optional
	// +kubebuilder:default=100
	// +kubebuilder:validation:XValidation:rule="self >= 0 && self <= 100",message="must be from 0 to 100"
	ExpectedUsePercent *int32 `json:"expectedUsePercent,omitempty"`
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

	// How much of the required size is in use on average, in per cent, and so requested.
	// +optional
	// +kubebuilder:default=100
	// +kubebuilder:validation:XValidation:rule="self >= 0 && self <= 100",message="must be from 0 to 100"
	ExpectedUsePercent *int32 `json:"expectedUsePercent,omitempty"`

	// Where the count is from.
	// +required
	Count Count `json:"count"`
}

// Count names the source of a count: exactly one of annotation, resources and literal.
//
// +kubebuilder:validation:XValidation:rule="[has(self.annotation), has(self.resources), has(self.literal)].filter(given, given).size() == 1",message="must have exactly one of annotation, resources and literal: keep the one that holds the count"
// +kubebuilder:validation:XValidation:rule="!has(self.absent) || !has(self.literal)",message="has no effect beside literal: remove one of the two",fieldPath=".absent"
type Count struct {
	// An annotation of the Pod that holds the count.
	// +optional
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.size() > 0",message="must be the name of an annotation, such as frigate/cameras"
	Annotation *string `json:"annotation,omitempty"`

	// Resources, as globs, counted together over the limits (or else requests) of the
	// writers, such as nvidia.com/gpu and nvidia.com/mig-*.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=317
	// +kubebuilder:validation:items:XValidation:rule="self.size() > 0",message="must be the name of a resource, such as nvidia.com/gpu"
	Resources []string `json:"resources,omitempty"`

	// The count itself.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 1000000",message="must be from 1 to 1000000"
	Literal *int32 `json:"literal,omitempty"`

	// What a Pod without the annotation, or without any of the resources, counts as, with
	// a warning. Without it 1 for an annotation and 0 for resources.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 0 && self <= 1000000",message="must be from 0 to 1000000"
	Absent *int32 `json:"absent,omitempty"`
}

// Duration is a length of time in hours, minutes, seconds and milliseconds, as
// time.ParseDuration reads it: 168h, 1h30m. It is kept as it was written, so that
// a wrong one is reported together with everything else that is wrong.
//
// +kubebuilder:validation:MaxLength=20
type Duration string

// Mode is the most that a policy does.
//
// +kubebuilder:validation:Enum=Audit;Enforce;Warn
type Mode string

// The modes, from the one that does least.
const (
	Audit   Mode = "Audit"
	Warn    Mode = "Warn"
	Enforce Mode = "Enforce"
)

// MemoryHandling says what happens to a writer's memory.
//
// +kubebuilder:validation:Enum=Ignore;Raise;Require
type MemoryHandling string

// What happens to the memory of a writer.
const (
	MemoryRaise   MemoryHandling = "Raise"
	MemoryRequire MemoryHandling = "Require"
	MemoryIgnore  MemoryHandling = "Ignore"
)

// ExistingHandling says what happens to a volume that is mounted already.
//
// +kubebuilder:validation:Enum=Enlarge;Leave;Require;SetLimit
type ExistingHandling string

// What happens to a Memory emptyDir that is too small or unbounded.
const (
	ExistingEnlarge  ExistingHandling = "Enlarge"
	ExistingSetLimit ExistingHandling = "SetLimit"
	ExistingRequire  ExistingHandling = "Require"
	ExistingLeave    ExistingHandling = "Leave"
)

// BindMountOption is an option of a mount, spelled as in the core field.
//
// +kubebuilder:validation:Enum=nodev;noexec;nosuid
type BindMountOption string

// The options of a mount.
const (
	BindMountNoDev  BindMountOption = "nodev"
	BindMountNoExec BindMountOption = "noexec"
	BindMountNoSUID BindMountOption = "nosuid"
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

// Permission says whether something that a Pod does is allowed.
//
// +kubebuilder:validation:Enum=Allowed;Denied
type Permission string

// Whether something that a Pod does is allowed.
const (
	Allowed Permission = "Allowed"
	Denied  Permission = "Denied"
)

// OverrideHandling says which annotations of a Pod change its size.
//
// +kubebuilder:validation:Enum=Allowed;Denied;RaiseOnly
type OverrideHandling string

// Which annotations of a Pod change its size.
const (
	OverridesRaiseOnly OverrideHandling = "RaiseOnly"
	OverridesAllowed   OverrideHandling = "Allowed"
	OverridesDenied    OverrideHandling = "Denied"
)

// FilesSource says where the rate of a files model is from.
//
// +kubebuilder:validation:Enum=Declared;Observed
type FilesSource string

// Where the rate of a files model is from.
const (
	FilesDeclared FilesSource = "Declared"
	FilesObserved FilesSource = "Observed"
)

// TmpfsPaths says whether the paths in a container's settings count.
//
// +kubebuilder:validation:Enum=Detect
type TmpfsPaths string

// TmpfsPathsDetect looks for paths in a container's environment, command and arguments.
const TmpfsPathsDetect TmpfsPaths = "Detect"

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

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

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

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

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

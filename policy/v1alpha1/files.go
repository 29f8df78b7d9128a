package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
)

// Files describes a program that writes a file for each request.
//
// +kubebuilder:validation:XValidation:rule="!has(self.observedFloor) || (has(self.source) && self.source == 'Observed')",message="has no effect without source: Observed: add that, or remove it",fieldPath=".observedFloor"
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

	// Which figures count: Declared are the ones above. With Observed a new Pod gets the size
	// that status.observed has figures for, of its own workload, if there are any: what was
	// measured replaces createdPerMinute, fileSize and retention.
	// +optional
	// +kubebuilder:default=Declared
	Source FilesSource `json:"source,omitempty"`

	// The least that observed figures may give: Declared, which is the default, is the size of
	// the declared ones, and Min is sizing.min.
	// +optional
	ObservedFloor ObservedFloor `json:"observedFloor,omitempty"`
}

// FilesSource says where the figures of a files model are from.
//
// +kubebuilder:validation:Enum=Declared;Observed
type FilesSource string

// Where the figures of a files model are from.
const (
	FilesDeclared FilesSource = "Declared"
	FilesObserved FilesSource = "Observed"
)

// ObservedFloor says what bounds the size of observed figures from below.
//
// +kubebuilder:validation:Enum=Declared;Min
type ObservedFloor string

// What bounds the size of observed figures from below.
const (
	ObservedFloorDeclared ObservedFloor = "Declared"
	ObservedFloorMin      ObservedFloor = "Min"
)

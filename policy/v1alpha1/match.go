package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
	// adds a volume if there is none, and otherwise only warns.
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

// TmpfsPaths says whether the paths in a container's settings count.
//
// +kubebuilder:validation:Enum=Detect
type TmpfsPaths string

// TmpfsPathsDetect looks for paths in a container's environment, command and arguments.
const TmpfsPathsDetect TmpfsPaths = "Detect"

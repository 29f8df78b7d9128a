package v1alpha1

import (
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
// +kubebuilder:printcolumn:name="Size",type=string,JSONPath=`.status.size`
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
	// +kubebuilder:default=0
	// +kubebuilder:validation:XValidation:rule="self >= -2147483648 && self <= 2147483647",message="must be from -2147483648 to 2147483647"
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

package policy

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// PodView is the part of a Pod that decisions read. Its JSON form is that of a Pod, so it
// can be decoded from one without the rest. It tells an absent list or map from an empty
// one only as far as a patch needs to.
type PodView struct {
	Metadata MetadataView `json:"metadata"`
	Spec     SpecView     `json:"spec"`
}

// MetadataView is the part of a Pod's metadata that decisions read.
type MetadataView struct {
	Name              string                      `json:"name"`
	GenerateName      string                      `json:"generateName"`
	Namespace         string                      `json:"namespace"`
	Labels            map[string]string           `json:"labels"`
	Annotations       map[string]string           `json:"annotations"`
	DeletionTimestamp *metav1.Time                `json:"deletionTimestamp"`
	ManagedFields     []metav1.ManagedFieldsEntry `json:"managedFields"`
	OwnerReferences   []OwnerView                 `json:"ownerReferences"`
}

// OwnerView is an owner reference. Decisions read the kind and the name; the rest identifies the
// owner in an event.
type OwnerView struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Name       string    `json:"name"`
	UID        types.UID `json:"uid"`
	Controller *bool     `json:"controller"`
}

// Controller returns the owner that controls a Pod; nil if there is none.
func (m *MetadataView) Controller() *OwnerView {
	for i := range m.OwnerReferences {
		if owner := &m.OwnerReferences[i]; owner.Controller != nil && *owner.Controller {
			return owner
		}
	}
	return nil
}

// SpecView is the part of a Pod's spec that decisions read.
type SpecView struct {
	InitContainers      []ContainerView `json:"initContainers"`
	Containers          []ContainerView `json:"containers"`
	EphemeralContainers []ContainerView `json:"ephemeralContainers"`
	Volumes             []VolumeView    `json:"volumes"`

	HostIPC      bool              `json:"hostIPC"`
	OS           *corev1.PodOS     `json:"os"`
	NodeSelector map[string]string `json:"nodeSelector"`

	Resources *corev1.ResourceRequirements `json:"resources"`
	Overhead  corev1.ResourceList          `json:"overhead"`

	// The scopes of a ResourceQuota ask for the rest.
	Affinity              *corev1.Affinity `json:"affinity"`
	PriorityClassName     string           `json:"priorityClassName"`
	ActiveDeadlineSeconds *int64           `json:"activeDeadlineSeconds"`
}

// ContainerView is the part of a container, of whichever list, that decisions read.
type ContainerView struct {
	Name            string                         `json:"name"`
	Image           string                         `json:"image"`
	Command         []string                       `json:"command"`
	Args            []string                       `json:"args"`
	Env             []corev1.EnvVar                `json:"env"`
	Resources       *corev1.ResourceRequirements   `json:"resources"`
	VolumeMounts    []corev1.VolumeMount           `json:"volumeMounts"`
	VolumeDevices   []corev1.VolumeDevice          `json:"volumeDevices"`
	RestartPolicy   *corev1.ContainerRestartPolicy `json:"restartPolicy"`
	Lifecycle       *corev1.Lifecycle              `json:"lifecycle"`
	SecurityContext *corev1.SecurityContext        `json:"securityContext"`
}

// VolumeView is the part of a volume that decisions read. Of a volume of another kind
// both sources are nil.
type VolumeView struct {
	Name     string                       `json:"name"`
	EmptyDir *corev1.EmptyDirVolumeSource `json:"emptyDir"`
	HostPath *corev1.HostPathVolumeSource `json:"hostPath"`
}

// ViewOf returns the view of a Pod, or of a Pod template, with which it shares memory.
func ViewOf(meta *metav1.ObjectMeta, spec *corev1.PodSpec) *PodView {
	v := &PodView{
		Metadata: MetadataView{
			Name: meta.Name, GenerateName: meta.GenerateName, Namespace: meta.Namespace,
			Labels: meta.Labels, Annotations: meta.Annotations,
			DeletionTimestamp: meta.DeletionTimestamp, ManagedFields: meta.ManagedFields,
			OwnerReferences: ownerViews(meta.OwnerReferences),
		},
		Spec: SpecView{
			InitContainers: containerViews(spec.InitContainers),
			Containers:     containerViews(spec.Containers),
			HostIPC:        spec.HostIPC, OS: spec.OS, NodeSelector: spec.NodeSelector,
			Resources: spec.Resources, Overhead: spec.Overhead,
			Affinity: spec.Affinity, PriorityClassName: spec.PriorityClassName,
			ActiveDeadlineSeconds: spec.ActiveDeadlineSeconds,
		},
	}
	if spec.EphemeralContainers != nil {
		v.Spec.EphemeralContainers = make([]ContainerView, len(spec.EphemeralContainers))
		for i := range spec.EphemeralContainers {
			c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
			v.Spec.EphemeralContainers[i] = containerView(&c)
		}
	}
	if spec.Volumes != nil {
		v.Spec.Volumes = make([]VolumeView, len(spec.Volumes))
		for i := range spec.Volumes {
			s := &spec.Volumes[i]
			v.Spec.Volumes[i] = VolumeView{Name: s.Name, EmptyDir: s.EmptyDir, HostPath: s.HostPath}
		}
	}
	return v
}

func ownerViews(list []metav1.OwnerReference) []OwnerView {
	if list == nil {
		return nil
	}
	out := make([]OwnerView, len(list))
	for i := range list {
		o := &list[i]
		out[i] = OwnerView{APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name, UID: o.UID, Controller: o.Controller}
	}
	return out
}

func containerViews(list []corev1.Container) []ContainerView {
	if list == nil {
		return nil
	}
	out := make([]ContainerView, len(list))
	for i := range list {
		out[i] = containerView(&list[i])
	}
	return out
}

func containerView(c *corev1.Container) ContainerView {
	return ContainerView{
		Name: c.Name, Image: c.Image, Command: c.Command, Args: c.Args, Env: c.Env,
		Resources: &c.Resources, VolumeMounts: c.VolumeMounts, VolumeDevices: c.VolumeDevices,
		RestartPolicy: c.RestartPolicy, Lifecycle: c.Lifecycle, SecurityContext: c.SecurityContext,
	}
}

// isSidecar reports whether an init container keeps running beside the others.
func (c *ContainerView) isSidecar() bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// postStart returns the command that runs when the container has started.
func (c *ContainerView) postStart() []string {
	if c.Lifecycle == nil || c.Lifecycle.PostStart == nil || c.Lifecycle.PostStart.Exec == nil {
		return nil
	}
	return c.Lifecycle.PostStart.Exec.Command
}

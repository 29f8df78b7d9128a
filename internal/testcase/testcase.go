// Package testcase describes the wanted outcome for an object under policies: the cases of tests.
package testcase

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Case represents an object, the policies in force, and the wanted outcome.
type Case struct {
	// Name is a sentence.
	Name string `json:"name"`
	// Library names policies of the library; "*" stands for all of them.
	Library []string `json:"library,omitempty"`
	// PolicyFiles name files of policies, from the folder of the case's own file.
	PolicyFiles []string `json:"policyFiles,omitempty"`
	// Policies are further ones.
	Policies []v1alpha1.SharedMemoryPolicy `json:"policies,omitempty"`
	// ImageMirrors are the server's --image-mirrors.
	ImageMirrors []string `json:"imageMirrors,omitempty"`
	// NamespaceLabels are those of the object's namespace.
	NamespaceLabels map[string]string `json:"namespaceLabels,omitempty"`
	// LimitRanges are those of the object's namespace.
	LimitRanges []corev1.LimitRange `json:"limitRanges,omitempty"`
	// ResourceQuotas are those of the object's namespace. One without status is new, and
	// nothing of it is used.
	ResourceQuotas []corev1.ResourceQuota `json:"resourceQuotas,omitempty"`
	// Object is a Pod or a workload.
	Object runtime.RawExtension `json:"object"`
	// OfflineOnly says why an API server would not let the case happen; empty for most.
	OfflineOnly string `json:"offlineOnly,omitempty"`
	// Want is worked out by hand from the design, never copied from what a program prints.
	Want Want `json:"want"`
}

// Want represents the wanted outcome of a case.
type Want struct {
	Outcome policy.Outcome `json:"outcome"`
	Reason  policy.Reason  `json:"reason"`
	// Policy is the name of the policy that decides; empty if none does.
	Policy string `json:"policy,omitempty"`
	// Violations are the reasons of a Violating object, in any order. They are not
	// looked at otherwise.
	Violations []policy.Reason `json:"violations,omitempty"`
	// Warnings is how many warnings the owner gets.
	Warnings int `json:"warnings,omitempty"`
	// WarningsContain are texts; each has to be part of a warning.
	WarningsContain []string `json:"warningsContain,omitempty"`
	// MessagesContain are texts; each has to be part of a warning or another message.
	MessagesContain []string `json:"messagesContain,omitempty"`
	// MessagesLack are texts that no warning and no other message may contain.
	MessagesLack []string `json:"messagesLack,omitempty"`
	// Containers are the containers afterwards, with everything that Container says of
	// them; those that a case does not name may be anything.
	Containers map[string]Container `json:"containers,omitempty"`
	// PodMemory is the pod-level memory afterwards; not looked at if it is empty.
	PodMemory Memory `json:"podMemory,omitzero"`
	// Volumes are the sizeLimits of volumes afterwards, by name; "" for none.
	Volumes map[string]string `json:"volumes,omitempty"`
	// Sharing are groups of containers that have to share what they see at the mount
	// path: the same volume in each, or the runtime's /dev/shm in each. Two groups have
	// to differ.
	Sharing [][]string `json:"sharing,omitempty"`
}

// Container represents what a container has after the evaluation.
type Container struct {
	// Volume and SizeLimit are those of the volume at the mount path; empty for none.
	Volume    string   `json:"volume,omitempty"`
	SizeLimit string   `json:"sizeLimit,omitempty"`
	Options   []string `json:"options,omitempty"`
	Memory
}

// Memory represents a limit and a request, as quantities: empty for none, and "*" in a case
// for any. (An API server fills in a request where a manifest has only a limit.)
type Memory struct {
	Limit   string `json:"limit,omitempty"`
	Request string `json:"request,omitempty"`
}

// Result represents what an Evaluator made of a case. What it cannot know (an API server does
// not say every reason) it takes from c.Want.
type Result struct {
	Outcome policy.Outcome
	Reason  policy.Reason
	Policy  string
	// Violations are those of a Violating object, in any order.
	Violations []policy.Reason
	// Warnings are what the owner is warned of.
	Warnings []string
	// Messages are all other sentences that somebody reads.
	Messages []string
	// Spec is the Pod, or the template's, with the plan applied; nil if it is not known,
	// and then nothing about it is compared.
	Spec *corev1.PodSpec
}

package webhook

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// Cluster is what the handlers know of the cluster. Every method answers from
// memory, at once, and may be called concurrently.
type Cluster interface {
	// Policies are the policies in force.
	Policies() policy.Set
	// NamespaceLabels are the labels of a namespace; ok is false for one that is
	// not known (yet).
	NamespaceLabels(name string) (labels map[string]string, ok bool)
	// LimitRanges are those of a namespace. The callers must not change them.
	LimitRanges(namespace string) []*corev1.LimitRange
	// ResourceQuotas are those of a namespace, by name. The callers must not change
	// them.
	ResourceQuotas(namespace string) []*corev1.ResourceQuota
}

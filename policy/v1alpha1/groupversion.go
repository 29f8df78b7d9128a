package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is shmkeeper.dev/v1alpha1.
var GroupVersion = schema.GroupVersion{Group: "shmkeeper.dev", Version: "v1alpha1"}

// Kind is the kind of the policies.
const Kind = "SharedMemoryPolicy"

// AddToScheme registers the kinds of this package with a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &SharedMemoryPolicy{}, &SharedMemoryPolicyList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}

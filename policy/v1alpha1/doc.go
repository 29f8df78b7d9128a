// Package v1alpha1 is the API of shmkeeper: the cluster-scoped kind
// SharedMemoryPolicy in the group shmkeeper.dev.
//
// What an API server can check is checked there, by the CEL rules that stand
// on the fields; policy.Compile repeats each of them with the same words for
// callers that have no API server.
//
// +kubebuilder:object:generate=true
// +groupName=shmkeeper.dev
package v1alpha1

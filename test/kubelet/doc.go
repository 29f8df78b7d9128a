// Package kubelet holds tests alone: they hold the engine's reading of the kubelet,
// of the API server's validation of Pods and of its quota plugin against
// k8s.io/kubernetes itself. It is a module of its own, so that the product does not
// depend on Kubernetes.
package kubelet

// Package chart holds the tests of charts/shmkeeper: what it renders to, by Helm's own code, against what kustomize makes of
// manifests/, and, with the build tag helm, its releases on a real API server, by the helm that this module pins. It is a module of
// its own so that the product does not depend on Helm.
package chart

// Package e2e tests shmkeeper as it is installed: the manifests that ship, in a
// real control plane, with the server as a process of its own.
package e2e

// Package krew is empty. Its module pins the program that installs plugins of kubectl, by which a test installs ours, and the one
// by which krew's index checks manifests.
package krew

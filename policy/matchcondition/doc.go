// Package matchcondition writes policies as a match condition: a CEL expression with which
// the API server keeps Pods that no policy could match from being sent to the webhooks.
//
// The expression may be wider than the policies, never narrower. It sees labels, images,
// settings and mounts of containers. It does not see the namespace, which the API server
// withholds from the match conditions of webhooks, and leaves out what a policy excludes.
// Images and paths it only compares roughly: an image by a regular expression that fits
// every spelling of the registry, a path by a part of its text.
//
// The package is pure: the expression depends on nothing but the policies and the image
// mirrors, and not on their order.
package matchcondition

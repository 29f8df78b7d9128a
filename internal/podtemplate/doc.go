// Package podtemplate finds Pod templates by their shape, in objects of any kind.
//
// A custom kind says nowhere that it makes Pods. What it does have is a map that looks like the
// template of a Pod, so that is what Find looks for: RayCluster, LeaderWorkerSet, PyTorchJob,
// Rollout, and kinds that nobody has written yet, need no table. The few things that a shape cannot
// tell (how a kind names a container that has no name, which kinds hold patterns and not Pods) are
// in shape.go.
//
// Whatever holds a container and cannot be read as a template is an Unread: nothing with an image
// in it is left out in silence.
package podtemplate

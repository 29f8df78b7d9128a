// Package policy evaluates Pods: how large /dev/shm has to be, what has to change for
// that, and what is wrong with it.
//
// It is a pure engine: it does no I/O, has no clock, writes no log and does not
// know who calls it. Compile turns a SharedMemoryPolicy into a Policy, NewSet
// makes a Set of them, and Set.Evaluate evaluates a Subject: a Pod, or the Pod
// template of a workload.
//
// An evaluation finds the policy that decides (find), reads the Pod once as that
// policy sees it (observe), works out what would change (plan), and checks the Pod
// as it would then be (violations). Before, plan and after are values: checks are
// functions of a view, and none of them knows whether a plan was applied. A plan is
// carried out by Plan.Patch, as a JSON patch of the object.
package policy

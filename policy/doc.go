// Package policy decides how large a Pod's /dev/shm has to be, what has to change
// for that, and what is wrong with it as it stands.
//
// It is a pure engine: it does no I/O, has no clock, writes no log and is never
// told who calls it. Compile turns a SharedMemoryPolicy into a Policy, NewSet
// makes a Set of them, and Set.Decide and Set.Check judge a Subject: a Pod, or
// the Pod template of a workload. What a Decision changes is carried out by
// Decision.Apply on typed objects, or by Decision.JSONPatch on their JSON.
package policy

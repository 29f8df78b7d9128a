// Package cluster is the live view of the cluster: the policies in force, the labels of
// namespaces, the LimitRanges and the ResourceQuotas. All of it is answered from memory,
// on every replica. The package only reads.
//
// # When a policy takes effect
//
// A policy is compiled by each replica when its watch delivers it, and put in force
// together with whatever else has changed. If it does not compile, the last version that
// did stays in force, as long as the replica runs.
//
// The leader then makes the webhooks' match condition as wide as the policies are
// (package webhookconfig), and each API server acts on that when its own watch delivers
// it. Until then Pods that only the new policy matches are not sent: they are admitted as
// if the policy had been created a moment later. Nothing can be done before the policy
// exists, since an admission request may still be rejected or be a dry run. So the window
// is reported instead (package policystatus): the policy's condition MatchConditionCurrent
// becomes True when the match condition that covers it has been written, and waiting for
// it (kubectl wait --for=condition=MatchConditionCurrent shmp/NAME) leaves only the delay
// of the API servers' watches, which is milliseconds. Without a leader, for the length of
// a lease after a crash, the conditions stay as they were. After the API server was away
// they stay for five seconds too, in which other replicas may not watch again yet.
//
// A change that widens and a change that narrows are the same write: the condition is
// made from the policies in force and, if the current version of one of them is invalid,
// from that version too.
//
// # Permissions
//
//	shmkeeper.dev   sharedmemorypolicies                         list, watch
//	""              namespaces, limitranges, resourcequotas      list, watch
package cluster

// Package cluster is the live view of the cluster: the policies in force, the
// labels of namespaces, the LimitRanges and the ResourceQuotas, all answered from
// memory; and what shmkeeper writes about them: the status of the policies, and the
// webhook configurations.
//
// Every replica reads and decides. Only the elected leader writes, for as long as its
// term lasts. What writes is there on every replica and rests until it is elected: the
// loss of an election ends nothing else, and least of all the admission of Pods.
//
// # When a policy takes effect
//
// A policy is compiled by each replica when its watch delivers it, and put in
// force together with whatever else has changed. One that does not compile
// leaves the last version that did in force, as long as the replica runs.
//
// The leader then makes the webhooks' match condition as wide as the policies
// are, and each API server acts on that when its own watch delivers it. Until
// then Pods that only the new policy governs are not sent: they are admitted as
// if the policy had been created a moment later. Nothing can be done before the
// policy exists, since an admission request may be refused or dry yet. So the
// window is reported instead: the policy's condition MatchConditionCurrent becomes True
// when the match condition that covers it has been written, and waiting for it
// (kubectl wait --for=condition=MatchConditionCurrent shmp/NAME) leaves only the delay of
// the API servers' watches, which is milliseconds. Without a leader, for the length
// of a lease after a crash, the conditions stay as they were.
//
// A change that widens and a change that narrows are the same write: the
// condition is made from the policies in force and, where one of them is not in
// force as it stands, from that version too.
//
// # The webhook configurations
//
// The leader owns, by server-side apply as MatchConditionsManager, the match
// condition matchcondition.Name of each webhook that gets Pods and the reference to
// shmkeeper's Namespace, with which a configuration goes, and no other field.
// Webhooks for the templates of workloads keep all their requests: these are
// few, and their Pods lie at a different place in each kind.
//
// The leader also restores what someone has taken away. A configuration that was
// deleted is created anew as it was last seen. Of one that was edited, a webhook
// that is missing is put back, and so are these fields of a webhook, which decide
// whether requests arrive and what happens when they do not: clientConfig.service,
// rules, failurePolicy, matchPolicy, namespaceSelector, objectSelector, and match
// conditions of the manifest. All else is the operator's to change: timeouts,
// reinvocation, labels, annotations, further webhooks and match conditions. Each
// restoration is told by a Warning Event on the configuration.
//
// Nothing is restored while the Namespace or the Deployment is gone or going, as
// it is when shmkeeper is uninstalled, nor while the Deployment is being rolled
// out, as it is in an upgrade, which may bring other configurations. A leader
// that stops because its Deployment is gone deletes the configurations that it
// restored, so that none outlives the server.
//
// # Permissions
//
//	shmkeeper.dev                  sharedmemorypolicies                                      list, watch
//	shmkeeper.dev                  sharedmemorypolicies/status                               patch
//	""                             namespaces, limitranges, resourcequotas                   list, watch
//	""                             namespaces, named as its own                              get
//	admissionregistration.k8s.io   mutatingwebhookconfigurations and
//	                               validatingwebhookconfigurations, named as they are        get, list, watch, create, update, patch, delete
//	apps, in its own namespace     deployments, named as its own                             get
//	events.k8s.io                  events, in the namespace default                          create, patch
//
// list and watch of one name work with resourceNames, since the watches select by
// metadata.name. So does create: a configuration is created by server-side
// apply, which is checked with the name. delete is for those that were restored.
// An owner is not blocking, so no permission on finalizers is needed.
package cluster

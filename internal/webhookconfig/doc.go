// Package webhookconfig writes the webhook configurations of shmkeeper, as the only writer:
// the caBundle on every replica (BundleWriter), and all else on the one that leads (Setup).
//
// # What is written
//
// Everything is written by server-side apply, with the version that was read, and only if
// what is there differs in what matters. So a replica that does not know yet that it no longer
// leads cannot overwrite anything that it has not read.
//
// The leader gives each webhook that is sent Pods the match condition matchcondition.Name,
// as wide as the policies are, and each configuration the reference to shmkeeper's
// Namespace, with which it goes. It also restores what somebody has taken away. A
// configuration that was deleted is created again as it was last seen. In one that was
// edited, a webhook that is missing is put back, and so are these fields of a webhook,
// which decide whether requests arrive and what happens when they do not:
// clientConfig.service, rules, failurePolicy, matchPolicy, namespaceSelector (which may ask
// for more), objectSelector, and the match conditions of the manifest. All else is the
// operator's to change: timeouts, reinvocation, labels, annotations, further match
// conditions. Each restoration is reported by a Warning Event on the configuration, and so
// is a webhook that the manifest does not have, which is left alone.
//
// Nothing is restored while the Namespace or the Deployment is gone or going, as it is when
// shmkeeper is uninstalled, nor while the Deployment is being rolled out, as it is in an
// upgrade, which may bring other configurations. A leader that stops because its Deployment
// is gone deletes the configurations that were restored, so that none outlives the server.
//
// If somebody keeps undoing what is written, it is written less and less often, and a
// metric and the policies' condition MatchConditionCurrent say so.
//
// # Permissions
//
//	admissionregistration.k8s.io   mutatingwebhookconfigurations and
//	                               validatingwebhookconfigurations, named as they are   get, list, watch, create, patch, delete
//	""                             namespaces, named as its own                         get
//	apps, in its own namespace     deployments, named as its own                        get
//	events.k8s.io                  events, in the namespace default                     create, patch
//
// list and watch of one name work with resourceNames, since the watches select by
// metadata.name. So does create: a configuration is created by server-side apply, which is
// checked with the name. delete is for those that were restored.
package webhookconfig

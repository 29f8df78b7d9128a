// Package envtest runs a real control plane for tests (it is not controller-runtime's envtest):
// etcd, kube-apiserver and kube-controller-manager, with kubectl. controller-runtime's starts no
// kube-controller-manager, reaches webhooks by URL alone and needs its programs downloaded; here
// webhooks are reached through their Service, and programs that cannot be downloaded are built from
// their modules.
//
// There are no nodes, so Pods are admitted and created by the real controllers and then stay
// Pending, unless Options.WithNodes makes room for a kubelet: the module test/node has one.
//
//	cp, err := envtest.Start(ctx, envtest.Options{})
//	...
//	defer cp.Stop()
//
//	cp.Config                                        // *rest.Config of a cluster administrator
//	cp.Kubeconfig                                    // the same as a file
//	cp.User("alice", "developers")                   // *rest.Config of anybody else, for tests of RBAC
//	cp.ServiceAccount("shmkeeper", "shmkeeper")      // *rest.Config of a service account
//	envtest.WriteKubeconfig(path, cfg)               // any of these as a file, for a process
//	cp.Kubectl(ctx, "apply", "-k", dir)              // the real kubectl, as the administrator
//	cp.ServeService("shmkeeper", "webhook", 443, a)  // who answers at a Service: webhooks are reached by clientConfig.service
//	cp.RunProgram(ctx, name, path, args, ready)      // another program of the cluster, a scheduler say
//	cp.AuditEvents()                                 // every request there was, with its user
//
// # Programs
//
// They come from the first of these that has them:
//
//  1. the folder KUBEBUILDER_ASSETS, if it is set;
//  2. the cache, filled by an earlier build;
//  3. the network, by setup-envtest, if it has the release that is pinned. SHMKEEPER_ENVTEST_BUILD=1 skips this;
//  4. a build from the Go modules that binaries/etcd and binaries/kubernetes pin, which takes minutes, once.
//
// SHMKEEPER_ENVTEST_RELEASE names another release that a module pins: 1.30 for binaries/kubernetes-1.30. Where 1 gives the
// programs it has no effect.
//
// setup-envtest provides etcd, kube-apiserver and kubectl. Where kube-controller-manager is not with them, it is built.
//
// The cache is the folder shmkeeper/envtest in the user's cache folder, or SHMKEEPER_ENVTEST_CACHE.
// What is built goes by a hash of all that the build depends on, so it is never stale. The cache
// may be deleted whenever nothing runs from it.
//
// A first build can take longer than the time that `go test` gives a package: `go run ./envtest/cmd/binaries` builds what is missing and
// prints the folder.
//
// # Services without nodes
//
// Nothing forwards the address of a Service to a Pod if there are no nodes. The API server is
// therefore configured, by an egress selector, to open all connections to the cluster's network
// through a proxy in this process, which asks the API server whose address it is and connects to
// what ServeService named. The webhook configurations that ship, which name a Service, are used as
// they are, and the name in the server's certificate is checked as it is in a cluster.
package envtest

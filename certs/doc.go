// Package certs provides the serving certificate of the webhook server. If nobody else does it,
// that includes the bundle by which the API server trusts it.
//
// There are two sources. Directory serves tls.crt and tls.key from a directory that cert-manager's
// Secret is mounted in; cert-manager's own injector then fills in caBundle. SelfManaged needs
// nothing else in the cluster: it keeps a certificate authority (CA) in a Secret that all replicas
// share, and signs a leaf certificate for each replica that never leaves its memory. Package
// webhookconfig publishes the bundle of a SelfManaged source.
//
// # Change of CA
//
// The API server must never meet a leaf that it cannot verify, so a change of CA goes in steps. All state is in the Secret; any replica
// takes the next step, guarded by the resourceVersion, so there is no leader and a restart between two steps loses nothing.
//
//  1. At two thirds of the CA's life a next CA is generated. The bundle carries both; leaves are still signed by the old one.
//  2. When every webhook configuration that exists has been seen to carry the bundle, and Settle has passed for every API server to notice, the
//     next CA becomes the signing one, and each replica replaces its leaf.
//  3. When no leaf of the old CA can be valid any more, the old CA leaves the bundle. A replica signs only right after it has
//     read the Secret, so the last such leaf ends at most one leaf duration after step 2.
//
// Deleting the Secret starts a change of CA: a replica writes the CA that it remembers back, beside
// a next one. The same happens to a Secret that cannot be read. A replica that remembers no CA
// makes a new one, and the CAs that can still be read in the Secret, or that the webhook
// configurations carry, stay in the bundle for one leaf duration; so does the CA of cert-manager
// after a move from a Directory. A Secret that somebody fills with a CA of their own is taken up,
// but the replicas keep their old leaves until its bundle is published.
//
// # What was weighed
//
// cert-manager's pkg/server/tls/authority.DynamicAuthority shares a CA in a Secret too, but
// overwrites it at once: leaves of the new CA are served before, and those of the old CA after, the
// bundle changes. It holds no second certificate to build an overlap around, takes no clock, and
// answers an edited Secret with a new CA. So the steps are our own, signing is crypto/x509's, and
// PEM is read and written by k8s.io/client-go/util/cert, whose own CAs are valid for ten years by
// the system's clock. controller-runtime's certwatcher, which Directory wraps, is linked by its
// webhook server anyway; it gives up when a file is missing at start, so Directory waits for both
// files first. The Secret is read every Resync and not watched: leaves and bundles live in memory,
// so nothing waits for it, and no right to list Secrets is needed.
//
// # Rights
//
// SelfManaged, in its own namespace:
//
//	""                             secrets, resourceNames [shmkeeper-ca]                       get, update
//	""                             secrets (a name cannot restrict create)                     create
//	""                             configmaps, resourceNames [shmkeeper-ca]                    create, patch
//	events.k8s.io                  events (only with a Recorder)                               create, patch
//
// Directory needs none.
package certs

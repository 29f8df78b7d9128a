package webhookconfig

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// BundleFieldManager owns the caBundle of each webhook, and nothing else.
const BundleFieldManager = "shmkeeper-certs"

// Bundle is what a BundleWriter publishes. A certs.SelfManaged is one.
type Bundle interface {
	// CABundle returns the bundle as last known; nil before it is known.
	CABundle() []byte
	// FreshCABundle returns the bundle as it is now for all replicas.
	FreshCABundle(context.Context) ([]byte, error)
	// OnBundleChange has the function called when CABundle has changed.
	OnBundleChange(func())
}

// BundleWriter keeps the caBundle of every webhook that calls a Service equal to a bundle.
// A configuration that does not exist is left to its installer. If cert-manager's
// injector is asked to write the caBundle too, as it is while an installation changes over
// to it, what it has added stays until it expires.
//
// Every replica with a CA of its own runs one, whichever leads: in a rollout that changes
// the source of certificates nobody but the new replicas knows their CA, and they are not
// ready before it is published. All replicas publish the same.
//
// A webhook that somebody removes from a configuration by server-side apply stays there
// with what is owned here alone, so that the apply is rejected for what is missing.
type BundleWriter struct {
	Client  client.Client
	Bundle  Bundle
	Name    string           // of the configurations
	Service client.ObjectKey // of this server
	// Metrics may be nil.
	Metrics *Metrics
	// Now decides what has expired; nil stands for the system's clock.
	Now func() time.Time
}

// bundleReconciler publishes the bundle in the configuration of one kind.
type bundleReconciler struct {
	*BundleWriter
	kind      string
	published []byte // last, by this replica
	contest   contest
}

// resync is how often a configuration is looked at without an event. A watch misses
// nothing for long; this is for what nobody has thought of.
const resync = 10 * time.Minute

// Setup adds the writer to a manager, on every replica.
func (w *BundleWriter) Setup(mgr manager.Manager) error {
	for _, kind := range Kinds() {
		changes := make(chan event.GenericEvent, 1)
		w.Bundle.OnBundleChange(func() {
			select {
			case changes <- event.GenericEvent{}:
			default: // one is waiting, and its reader will find the newest bundle
			}
		})
		o := controller.Options{
			NeedLeaderElection: new(bool),
			RateLimiter:        workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, 30*time.Second),
		}
		if err := addController(mgr, "ca-bundle-"+kind, kind, &bundleReconciler{BundleWriter: w, kind: kind}, o, changes); err != nil {
			return err
		}
	}
	return nil
}

// Reconcile publishes the bundle. What somebody else keeps undoing it does less and less
// often.
func (r *bundleReconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	now := r.now()
	correction := r.published != nil && bytes.Equal(r.published, r.Bundle.CABundle())
	r.Metrics.setContested(r.kind, partBundle, r.contest.contested(now))
	if wait := r.contest.wait(now); correction && wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	written, err := r.Publish(ctx, r.kind)
	switch {
	case apierrors.IsConflict(err): // another replica's success
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	case err != nil:
		return reconcile.Result{}, err
	case written && correction:
		r.contest.corrected(now)
	}
	if written {
		r.published = r.Bundle.CABundle()
		log.FromContext(ctx).Info("The CA bundle was published", "configuration", r.Name)
	}
	return reconcile.Result{RequeueAfter: resync}, nil
}

// Publish reports whether it had to write the bundle into the configuration of a kind. It fails
// with a conflict if the configuration has changed since it was read.
//
// It reads the configuration, then the bundle, then writes with the version that was read.
// So a replica that knows an older bundle cannot put that over a newer one: either it reads
// the newer one, or the version has moved on.
func (w *BundleWriter) Publish(ctx context.Context, kind string) (written bool, err error) {
	live, err := read(ctx, w.Client, kind, w.Name)
	if live == nil {
		return false, err
	}
	if known := w.Bundle.CABundle(); known != nil && w.hasBundle(live, known) {
		return false, nil
	}
	bundle, err := w.Bundle.FreshCABundle(ctx)
	if bundle == nil {
		return false, errors.Join(err, errors.New("there is no CA bundle to publish yet"))
	}
	if w.hasBundle(live, bundle) {
		return false, nil
	}
	var entries []any
	for _, hook := range callingService(live, w.Service) {
		entry := webhook{"name": hook.name()}
		entry.setBundle(merged(live, hook, bundle, w.now()))
		entries = append(entries, map[string]any(entry))
	}
	u := newConfiguration(kind)
	u.SetName(w.Name)
	u.SetResourceVersion(live.GetResourceVersion()) // or it could be created
	u.Object["webhooks"] = entries
	err = w.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(BundleFieldManager), client.ForceOwnership)
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("publish the CA bundle in %s %q: %w: make sure that the server may patch it", kind, w.Name, err)
	}
	return err == nil, nil
}

func (w *BundleWriter) now() time.Time {
	if w.Now == nil {
		return time.Now()
	}
	return w.Now()
}

// callingService returns the webhooks that call a Service. Others are none of our business,
// and must not get our caBundle.
func callingService(live *unstructured.Unstructured, service client.ObjectKey) []webhook {
	return slices.DeleteFunc(webhooksOf(live), func(hook webhook) bool { return !hook.calls(service) })
}

// hasBundle reports whether every webhook has exactly the bundle or, if cert-manager writes
// it too, at least that: requiring an exact match would fight cert-manager's injector, each
// undoing the other's change.
func (w *BundleWriter) hasBundle(live *unstructured.Unstructured, bundle []byte) bool {
	shared := alsoWrittenByCertManager(live)
	wanted, _ := certificates(bundle)
	return !slices.ContainsFunc(callingService(live, w.Service), func(hook webhook) bool {
		have, clean := certificates(hook.bundle())
		return !bytes.Equal(hook.bundle(), bundle) && (!shared || !clean || len(wanted) == 0 || !containsAll(have, wanted))
	})
}

// maxOthers is how many certificates of others are left in a bundle: far more than a change
// of CA on both sides needs.
const maxOthers = 16

// merged returns the bundle for one webhook. If cert-manager writes it too, the
// certificates of others that are there and have not expired follow our own, since a
// replica may serve a leaf of theirs. What cannot be read goes, and of too many the oldest.
func merged(live *unstructured.Unstructured, hook webhook, bundle []byte, now time.Time) []byte {
	if !alsoWrittenByCertManager(live) {
		return bundle
	}
	own, _ := certificates(bundle)
	others, _ := certificates(hook.bundle())
	others = sortedSet(slices.DeleteFunc(others, func(cert *x509.Certificate) bool {
		return !now.Before(cert.NotAfter) || slices.ContainsFunc(own, cert.Equal)
	}))
	if len(others) == 0 {
		return bundle
	}
	var out []byte
	for _, cert := range slices.Concat(own, others[max(0, len(others)-maxOthers):]) {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	return out
}

// alsoWrittenByCertManager reports whether one of cert-manager's annotations asks for a CA.
func alsoWrittenByCertManager(configuration *unstructured.Unstructured) bool {
	annotations := configuration.GetAnnotations()
	return slices.ContainsFunc([]string{
		"cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret", "cert-manager.io/inject-apiserver-ca",
	}, func(name string) bool { return annotations[name] != "" })
}

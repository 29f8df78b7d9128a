package webhookconfig

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// recreated returns a configuration that was deleted: as it was last seen or, after a
// restart, as it ships. It is nil without a bundle: the API server could reach no webhook,
// and would reject all Pods of namespaces in mode enforce.
func (r *reconciler) recreated(ctx context.Context, expression string) *unstructured.Unstructured {
	base := r.LastSeen.get(r.kind)
	if base == nil {
		base = r.manifest
	}
	bundle := r.bundle(base)
	if bundle == nil {
		log.FromContext(ctx).Info("webhook configuration is missing and is not restored, since nothing is known that the API server could verify this server by: " +
			"apply the manifests again")
		return nil
	}
	annotations := base.GetAnnotations()
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	u := newConfiguration(r.kind)
	u.SetName(base.GetName())
	u.SetLabels(base.GetLabels())
	u.SetAnnotations(annotations)
	var entries []any
	for _, want := range webhooksOf(r.manifest) {
		entry, _, _ := r.entry(base, want, expression, true)
		entry.setBundle(bundle)
		if r.failsOpen(base, want) {
			entry[failurePolicy] = "Ignore"
		}
		entries = append(entries, map[string]any(entry))
	}
	u.Object["webhooks"] = entries
	return u
}

// failsOpen reports whether a webhook of a configuration that was deleted fails open: of a server
// that refuses nothing, each that ships so does, and each for Pods unless it was seen to be otherwise.
func (r *reconciler) failsOpen(base *unstructured.Unstructured, want webhook) bool {
	return r.IgnoreFailurePolicy && (want[failurePolicy] == "Ignore" || base == r.manifest && want.getsPods())
}

// write applies a change. It fails with a conflict if the configuration that was read has
// been changed since. A configuration is created by an apply too, which can be permitted
// by name.
func (r *reconciler) write(ctx context.Context, live, change *unstructured.Unstructured, drift []string, restore bool) error {
	manager := client.FieldOwner(FieldManager)
	if live == nil {
		manager = RestoreFieldManager
	} else if restore {
		version, err := r.removeURLs(ctx, live)
		if err != nil {
			return err
		}
		change.SetResourceVersion(version)
	}
	if err := r.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(change), manager, client.ForceOwnership); err != nil {
		return err
	}
	if restore {
		what := strings.Join(drift, ", ")
		log.FromContext(ctx).Info("restored the webhook configuration", "configuration", change.GetName(), "drift", what)
		r.recordEvent(ctx, change, "Restored", "Restore", "shmkeeper restored its "+r.kind+": "+what,
			"; to change it for good start shmkeeper with --restore-webhooks=false")
	}
	return nil
}

// removeURLs puts the Service back into webhooks that have a URL in its place, and returns
// the version of the configuration after that. An apply cannot: it leaves a field that
// somebody else owns, and a webhook with both is invalid.
func (r *reconciler) removeURLs(ctx context.Context, live *unstructured.Unstructured) (version string, err error) {
	var entries []any
	found, wanted := false, webhooksOf(r.manifest)
	for _, w := range webhooksOf(live) {
		if want := find(wanted, w.name()); want != nil && w.clientConfig()["url"] != nil {
			w, _ = restored(w, want, r.IgnoreFailurePolicy)
			found = true
		}
		entries = append(entries, map[string]any(w))
	}
	if !found {
		return live.GetResourceVersion(), nil
	}
	patched := live.DeepCopy()
	patched.Object["webhooks"] = entries
	unlessChanged := client.MergeFromWithOptions(live, client.MergeFromWithOptimisticLock{})
	err = r.client.Patch(ctx, patched, unlessChanged, client.FieldOwner(FieldManager))
	return patched.GetResourceVersion(), err
}

// maxNote is what the API server allows the note of an Event.
const maxNote = 1024

// recordEvent records a Warning. The remedy is kept whole if the rest has to be cut.
func (r *reconciler) recordEvent(ctx context.Context, about *unstructured.Unstructured, reason, action, what, remedy string) {
	if len(what)+len(remedy) > maxNote {
		what = strings.ToValidUTF8(what[:maxNote-len(remedy)-4], "") + " ..."
	}
	log.FromContext(ctx).V(1).Info(what, "reason", reason)
	r.events.Eventf(about, nil, corev1.EventTypeWarning, reason, action, "%s", what+remedy)
}

// cleanup deletes, when the leader stops because its Deployment is gone, the
// configurations that were restored: they would have the API server reject Pods for a
// server that is gone.
type cleanup struct {
	stopping    context.Context // done when this replica stops, and not when it no longer leads
	reconcilers []*reconciler
	log         logr.Logger
}

// NeedLeaderElection reports whether only the leader runs it, as only the leader restores.
func (c *cleanup) NeedLeaderElection() bool { return true }

// Start waits for the end of ctx and then cleans up, within a few seconds, if this replica
// still leads.
func (c *cleanup) Start(ctx context.Context) error {
	<-ctx.Done()
	for _, r := range c.reconcilers {
		r.Metrics.reset()
	}
	if c.stopping.Err() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, r := range c.reconcilers {
		if err := r.deleteRestored(ctx); err != nil {
			c.log.Error(err, "webhook configuration may be left behind: if shmkeeper is gone for good, delete it",
				"kind", r.kind, "configuration", r.manifest.GetName())
		}
	}
	return nil
}

// deleteRestored deletes the configuration if it was restored and the Deployment is gone
// or going.
func (r *reconciler) deleteRestored(ctx context.Context) error {
	if d, err := r.getDeployment(ctx); err != nil || d != nil {
		return err
	}
	live := newConfiguration(r.kind)
	if err := r.reader.Get(ctx, client.ObjectKeyFromObject(r.manifest), live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !slices.ContainsFunc(live.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == RestoreFieldManager && f.Operation == metav1.ManagedFieldsOperationApply
	}) {
		return nil
	}
	uid := live.GetUID()
	return client.IgnoreNotFound(r.client.Delete(ctx, live, client.Preconditions{UID: &uid}))
}

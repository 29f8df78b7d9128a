package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// again is how soon a restoration that had to wait is thought of again.
const again = 10 * time.Second

// restoreSoon restores when the damage has lasted for the delay and shmkeeper is
// installed and at rest. Whoever deletes shmkeeper, or applies another version of
// it, needs a moment for it.
func (k *keeper) restoreSoon(ctx context.Context, restore func(context.Context, *metav1.PartialObjectMetadata) error) (reconcile.Result, error) {
	if !k.restores {
		return reconcile.Result{}, nil
	}
	if k.broken.IsZero() {
		k.broken = k.now()
	}
	if wait := k.delay - k.now().Sub(k.broken); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	namespace, err := k.standing(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	if namespace == nil {
		return reconcile.Result{RequeueAfter: again}, nil
	}
	if err := restore(ctx, namespace); err != nil {
		return reconcile.Result{}, err
	}
	k.broken = time.Time{}
	return reconcile.Result{}, nil
}

// standing is the Namespace of an installation that is neither being deleted nor
// rolled out; nil for one that is. It asks the API server.
func (k *keeper) standing(ctx context.Context) (*metav1.PartialObjectMetadata, error) {
	namespace := namespaceMetadata()
	if err := k.direct.Get(ctx, types.NamespacedName{Name: k.namespace}, namespace); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	d := &appsv1.Deployment{}
	if err := k.direct.Get(ctx, types.NamespacedName{Namespace: k.namespace, Name: k.deployment}, d); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if namespace.DeletionTimestamp != nil || d.DeletionTimestamp != nil || rolling(d) {
		return nil, nil
	}
	return namespace, nil
}

// rolling says whether a Deployment has Pods yet that are not of its template.
func rolling(d *appsv1.Deployment) bool {
	replicas := int32(1)
	if d.Spec.Replicas != nil {
		replicas = *d.Spec.Replicas
	}
	s := &d.Status
	return s.ObservedGeneration < d.Generation || s.UpdatedReplicas < replicas || s.Replicas > s.UpdatedReplicas
}

// recreate puts back a configuration that was deleted: as it was last seen or,
// after a restart, as it ships. Without a bundle the API server could reach no
// webhook and would refuse all Pods of namespaces in mode enforce, so there it
// stays away. It is created by an apply, which can be permitted by name.
func (k *keeper) recreate(ctx context.Context, namespace *metav1.PartialObjectMetadata) error {
	bundle := k.caBundle()
	if len(bundle) == 0 {
		bundle = caBundleOf(k.lastSeen)
	}
	log := logr.FromContextOrDiscard(ctx)
	if len(bundle) == 0 {
		log.Info("webhook configuration is missing and is not restored, since nothing is known that the API server could verify this server by: apply the manifests again")
		return nil
	}
	fresh := copyOf(k.wanted)
	if k.lastSeen != nil {
		fresh = copyOf(k.lastSeen)
		for _, d := range damagesOf(fresh, k.wanted, k.failurePolicies) {
			d.repair()
		}
	}
	withoutCondition(fresh)
	for _, h := range hooksOf(fresh) {
		h.config.CABundle = bundle
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(fresh)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: map[string]any{"webhooks": content["webhooks"]}}
	u.SetGroupVersionKind(admissionregistrationv1.SchemeGroupVersion.WithKind(k.kind))
	u.SetName(fresh.GetName())
	u.SetLabels(fresh.GetLabels())
	u.SetAnnotations(fresh.GetAnnotations())
	u.SetOwnerReferences([]metav1.OwnerReference{ownedBy(namespace)})
	if err := k.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(RestoreManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("webhook configuration cannot be restored: %w", err)
	}
	k.tell(ctx, u, "it was deleted")
	return nil
}

// repair puts back the fields that were changed, and leaves all others.
func (k *keeper) repair(ctx context.Context, _ *metav1.PartialObjectMetadata) error {
	fresh := newConfiguration(k.kind)
	if err := k.direct.Get(ctx, client.ObjectKeyFromObject(k.wanted), fresh); err != nil {
		return client.IgnoreNotFound(err)
	}
	damages := damagesOf(fresh, k.wanted, k.failurePolicies)
	if len(damages) == 0 {
		return nil
	}
	bundle := caBundleOf(fresh)
	if len(bundle) == 0 {
		bundle = k.caBundle()
	}
	texts := make([]string, len(damages))
	for i, d := range damages {
		d.repair()
		texts[i] = d.String()
	}
	for _, h := range hooksOf(fresh) {
		if len(h.config.CABundle) == 0 {
			h.config.CABundle = bundle
		}
	}
	if err := k.client.Update(ctx, fresh, client.FieldOwner(RepairManager)); err != nil {
		return fmt.Errorf("webhook configuration cannot be restored: %w", err)
	}
	k.tell(ctx, fresh, strings.Join(texts, ", "))
	return nil
}

// maxNote is what the API server allows the note of an Event.
const maxNote = 1024

func (k *keeper) tell(ctx context.Context, configuration client.Object, what string) {
	const remedy = "; to change it for good start shmkeeper with --restore-webhooks=false"
	logr.FromContextOrDiscard(ctx).Info("restored the webhook configuration", "configuration", configuration.GetName(), "damage", what)
	note := "shmkeeper restored its " + k.kind + ": " + what
	if len(note)+len(remedy) > maxNote {
		note = note[:maxNote-len(remedy)-4] + " ..."
	}
	k.events.Eventf(configuration, nil, corev1.EventTypeWarning, "Restored", "Restore", "%s", note+remedy)
}

// leaver deletes, when the leader stops because its Deployment is gone, the
// configurations that it has restored: they would have the API server refuse
// Pods for a server that is no more.
type leaver struct {
	keepers []*keeper
	leader  Leader
	log     logr.Logger
}

// NeedLeaderElection is true: it ends with those who restore.
func (l *leaver) NeedLeaderElection() bool { return true }

// Start waits for the end of ctx and then cleans up, within a few seconds, if this
// replica leads.
func (l *leaver) Start(ctx context.Context) error {
	<-ctx.Done()
	if l.leader.Term().Err() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, k := range l.keepers {
		if err := k.leave(ctx); err != nil {
			l.log.Error(err, "webhook configuration may be left behind: where shmkeeper is gone for good, delete it", "kind", k.kind, "configuration", k.wanted.GetName())
		}
	}
	return nil
}

func (k *keeper) leave(ctx context.Context) error {
	d := &appsv1.Deployment{}
	err := k.direct.Get(ctx, types.NamespacedName{Namespace: k.namespace, Name: k.deployment}, d)
	if err == nil && d.DeletionTimestamp == nil || client.IgnoreNotFound(err) != nil {
		return client.IgnoreNotFound(err)
	}
	live := newConfiguration(k.kind)
	if err := k.direct.Get(ctx, client.ObjectKeyFromObject(k.wanted), live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !slices.ContainsFunc(live.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == RestoreManager && f.Operation == metav1.ManagedFieldsOperationApply
	}) {
		return nil
	}
	uid := live.GetUID()
	return client.IgnoreNotFound(k.client.Delete(ctx, live, client.Preconditions{UID: &uid}))
}

package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
)

// The field managers of what is written to a webhook configuration.
const (
	// MatchConditionsManager owns the match condition matchcondition.Name of the
	// webhooks for Pods, and the reference to the Namespace that owns the
	// configuration.
	MatchConditionsManager = "shmkeeper-match-conditions"
	// RestoreManager owns a configuration that was deleted and has been restored.
	RestoreManager = "shmkeeper-restore"
	// RepairManager last wrote the fields that someone had changed.
	RepairManager = "shmkeeper-repair"
)

// keeper keeps one webhook configuration as it must be. The leader alone writes; the
// others look on, so that each knows the configuration as it was last seen.
type keeper struct {
	kind   string
	wanted client.Object

	client client.Client // reads from the cache
	direct client.Reader // reads from the API server
	events events.EventRecorder

	namespace, deployment string
	failurePolicies       bool          // are restored too
	restores              bool          // anything but the match condition
	delay                 time.Duration // until something is restored
	caBundle              func() []byte
	now                   func() time.Time

	// ready says whether the catalog is complete: a condition made from a part of
	// the policies would hold back Pods of the others.
	ready    func() bool
	catalog  *catalog
	coverage *coverage
	// changes has it look again; of one.
	changes chan event.GenericEvent

	// Of the reconciler's one goroutine.
	lastSeen client.Object
	broken   time.Time // since when something is to be restored; zero: nothing is
}

// Reconcile brings the match condition up to date, and restores what is missing.
// An error is one of the API server, and all is tried again.
func (k *keeper) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	if !k.ready() {
		return reconcile.Result{}, nil // it is told when the catalog is complete
	}
	live := newConfiguration(k.kind)
	err := k.client.Get(ctx, client.ObjectKeyFromObject(k.wanted), live)
	switch {
	case apierrors.IsNotFound(err):
		k.coverage.set(k.kind, -1)
		return k.restoreSoon(ctx, k.recreate)
	case err != nil:
		return reconcile.Result{}, err
	case live.GetDeletionTimestamp() != nil:
		return reconcile.Result{}, nil
	}
	if err := k.condition(ctx, live); err != nil {
		return reconcile.Result{}, err
	}
	k.see(live)
	if len(damagesOf(live, k.wanted, k.failurePolicies)) > 0 {
		return k.restoreSoon(ctx, k.repair)
	}
	k.broken = time.Time{}
	return reconcile.Result{}, nil
}

// whileLeading is what runs the keeper.
func (k *keeper) whileLeading(leader Leader) *whileLeading {
	return &whileLeading{leader: leader, reconciler: k, begin: k.begin, observe: k.observe}
}

// observe only reads. Without it a replica that leads again would restore what there was
// in its earlier term, and undo what has been changed since.
func (k *keeper) observe(ctx context.Context) error {
	live := newConfiguration(k.kind)
	if err := k.client.Get(ctx, client.ObjectKeyFromObject(k.wanted), live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if live.GetDeletionTimestamp() == nil {
		k.see(live)
	}
	return nil
}

// see remembers a configuration that the API server can use.
func (k *keeper) see(live client.Object) {
	if caBundleOf(live) != nil {
		k.lastSeen = live
	}
}

// begin begins a term: what an earlier one had begun, another leader went on with.
func (k *keeper) begin() { k.broken = time.Time{} }

// condition writes the match condition where it is not what the policies need.
func (k *keeper) condition(ctx context.Context, live client.Object) error {
	expression, narrow, revision := k.catalog.matchCondition()
	var hooks []any
	covered, same := false, true
	for _, want := range hooksOf(k.wanted) {
		is, found := findHook(hooksOf(live), want.name)
		if !found || !want.getsPods() {
			continue
		}
		covered = true
		have, found := is.condition(matchcondition.Name)
		same = same && found == narrow && have == expression
		if narrow {
			hooks = append(hooks, map[string]any{"name": want.name, "matchConditions": []any{
				map[string]any{"name": matchcondition.Name, "expression": expression},
			}})
		}
	}
	owner, owned, err := k.owner(ctx, live)
	if err != nil {
		return err
	}
	if !same || !owned {
		if err := k.apply(ctx, live, hooks, owner); err != nil {
			return err
		}
		log := logr.FromContextOrDiscard(ctx)
		if narrow {
			log.V(1).Info("wrote the match condition", "revision", revision)
		} else {
			log.Info("every Pod is sent to the webhooks: either a policy could match any Pod, and the reason of " +
				"its condition MatchConditionCurrent is EveryPodSent, or a match condition for all policies and " +
				"image mirrors would be too costly; use fewer of them")
		}
	}
	if covered {
		k.coverage.set(k.kind, revision)
	}
	return nil
}

// owner is the reference to the Namespace, nil where that is gone; owned says
// whether the configuration has it, or needs none.
func (k *keeper) owner(ctx context.Context, live client.Object) (owner *metav1.OwnerReference, owned bool, err error) {
	for _, r := range live.GetOwnerReferences() {
		if r.Kind == "Namespace" && r.Name == k.namespace {
			return &r, true, nil
		}
	}
	namespace := namespaceMetadata()
	err = k.direct.Get(ctx, client.ObjectKey{Name: k.namespace}, namespace)
	if err != nil || namespace.DeletionTimestamp != nil {
		return nil, true, client.IgnoreNotFound(err)
	}
	r := ownedBy(namespace)
	return &r, false, nil
}

func (k *keeper) apply(ctx context.Context, live client.Object, hooks []any, owner *metav1.OwnerReference) error {
	// With the identity a configuration that has just been deleted is not created.
	metadata := map[string]any{"name": live.GetName(), "uid": string(live.GetUID())}
	if owner != nil {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(owner)
		if err != nil {
			return err
		}
		metadata["ownerReferences"] = []any{content}
	}
	u := &unstructured.Unstructured{Object: map[string]any{"metadata": metadata}}
	if len(hooks) > 0 {
		u.Object["webhooks"] = hooks
	}
	u.SetGroupVersionKind(admissionregistrationv1.SchemeGroupVersion.WithKind(k.kind))
	err := k.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(MatchConditionsManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("the match condition cannot be written: %w", err)
	}
	if len(hooks) == 0 {
		return k.strip(ctx, live)
	}
	return nil
}

// strip takes away a condition of ours that somebody else has come to own too,
// such as an operator who applied an exported configuration: a condition that is
// left in place keeps Pods back that have to be sent.
func (k *keeper) strip(ctx context.Context, live client.Object) error {
	fresh := newConfiguration(k.kind)
	if err := k.direct.Get(ctx, client.ObjectKeyFromObject(live), fresh); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !withoutCondition(fresh) {
		return nil
	}
	return k.client.Update(ctx, fresh, client.FieldOwner(MatchConditionsManager))
}

// withoutCondition takes our condition off all webhooks, and says whether there was one.
func withoutCondition(configuration client.Object) (found bool) {
	for _, h := range hooksOf(configuration) {
		var others []admissionregistrationv1.MatchCondition
		for _, c := range *h.conditions {
			if c.Name == matchcondition.Name {
				found = true
			} else {
				others = append(others, c)
			}
		}
		*h.conditions = others
	}
	return found
}

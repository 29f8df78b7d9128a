// Package policystatus writes the status of the policies: whether they are in force, what
// size they give, and whether the API servers send the Pods that they could match. It is
// for the replica that leads.
//
// # Permissions
//
//	shmkeeper.dev   sharedmemorypolicies          list, watch
//	shmkeeper.dev   sharedmemorypolicies/status   patch
package policystatus

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// FieldManager owns what this package writes of a policy's status: observedGeneration, size,
// sizeLimit, memoryCost, and the conditions Accepted, MatchConditionCurrent and
// SizeSufficient.
const FieldManager = "shmkeeper-policy-status"

const (
	// pollInterval is how soon a policy is looked at again that is about to be covered.
	pollInterval = 250 * time.Millisecond
	// notSentTimeout is how long that may take before the status says that it is not.
	notSentTimeout = 5 * time.Second
)

// Policies knows the state of the policies on this replica. A cluster.View is one.
type Policies interface {
	PolicyState(*v1alpha1.SharedMemoryPolicy) (state cluster.PolicyState, ok bool)
}

// MatchCondition says what the API servers send. A webhookconfig.MatchCondition is one.
type MatchCondition interface {
	// Covers reports whether the webhooks' match condition is at least of a revision, and
	// whether somebody else keeps changing the webhook configurations.
	Covers(revision int64) (covered, contested bool)
	// Changes returns a channel that gets an event whenever Covers may return something else.
	Changes() <-chan event.GenericEvent
}

// Watches knows whether other replicas may know less than this one. A cluster.Watches does.
type Watches interface {
	// Settling returns for how long they may; 0 as a rule.
	Settling() time.Duration
}

// reconciler writes the status of policies in one term of a leader.
type reconciler struct {
	client         client.Client
	policies       Policies
	matchCondition MatchCondition
	watches        Watches
	now            func() time.Time
	// begun is when the term began: what is covered is not known yet, and what an earlier
	// leader has written stands for a while. Zero until the first policy is looked at.
	begun time.Time
}

// Setup adds to a manager what writes the status of policies while the manager leads.
func Setup(mgr manager.Manager, policies Policies, condition MatchCondition, watches Watches) error {
	r := &reconciler{client: mgr.GetClient(), policies: policies, matchCondition: condition, watches: watches, now: time.Now}
	return builder.ControllerManagedBy(mgr).Named("policy-status").
		For(&v1alpha1.SharedMemoryPolicy{}).
		WatchesRawSource(source.Channel(condition.Changes(), handler.EnqueueRequestsFromMapFunc(r.all))).
		Complete(r)
}

// all returns a request for each policy.
func (r *reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	var policies v1alpha1.SharedMemoryPolicyList
	if err := r.client.List(ctx, &policies); err != nil {
		log.FromContext(ctx).Error(err, "the status of policies may be stale until they change")
		return nil
	}
	out := make([]reconcile.Request, len(policies.Items))
	for i := range policies.Items {
		out[i] = reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&policies.Items[i])}
	}
	return out
}

// Reconcile writes the status of one policy if it differs from the current one. An
// error is one of the API server, and the write is tried again.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if r.begun.IsZero() {
		r.begun = r.now()
	}
	p := &v1alpha1.SharedMemoryPolicy{}
	if err := r.client.Get(ctx, request.NamespacedName, p); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	state, ok := r.policies.PolicyState(p)
	if !ok {
		return reconcile.Result{RequeueAfter: pollInterval}, nil
	}
	// A Pod may be judged by another replica, and what the status promises holds on all of them.
	if wait := r.watches.Settling(); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	covered, contested := r.matchCondition.Covers(state.Revision)
	since := state.Since
	if r.begun.After(since) {
		since = r.begun
	}
	if !covered && !contested && r.now().Sub(since) < notSentTimeout {
		return reconcile.Result{RequeueAfter: pollInterval}, nil
	}
	err := ignoreReplaced(r.write(ctx, p, state, coverage{covered, contested}))
	if !covered {
		return reconcile.Result{RequeueAfter: notSentTimeout}, err
	}
	return reconcile.Result{}, err
}

func (r *reconciler) write(ctx context.Context, p *v1alpha1.SharedMemoryPolicy, state cluster.PolicyState, covered coverage) error {
	var sizeLimit, memoryCost *resource.Quantity
	size := "unknown" // until a version is valid
	if state.InForce {
		size = state.Compiled.SizeText()
		if s, ok := state.Compiled.Size(); ok {
			sizeLimit, memoryCost = s.Limit.Quantity(), s.MemoryCost.Quantity()
		}
	}
	wanted := append([]metav1.Condition(nil), p.Status.Conditions...)
	changed := p.Status.ObservedGeneration != p.Generation || p.Status.Size != size ||
		!equal(sizeLimit, p.Status.SizeLimit) || !equal(memoryCost, p.Status.MemoryCost)
	own := []any{}
	for _, c := range []metav1.Condition{accepted(state), matchConditionCurrent(state, covered), sizeSufficient(state)} {
		c.ObservedGeneration, c.LastTransitionTime = p.Generation, metav1.NewTime(r.now())
		changed = meta.SetStatusCondition(&wanted, c) || changed
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(meta.FindStatusCondition(wanted, c.Type))
		if err != nil {
			return err
		}
		own = append(own, content)
	}
	if !changed {
		return nil
	}
	status := map[string]any{"observedGeneration": p.Generation, "size": size, "conditions": own}
	if sizeLimit != nil {
		status["sizeLimit"], status["memoryCost"] = sizeLimit.String(), memoryCost.String()
	}
	return applyStatus(ctx, r.client, p, status, FieldManager)
}

// ignoreReplaced drops the error of a write to a policy that was deleted, or replaced by another
// of its name, which is reconciled on its own.
func ignoreReplaced(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

func equal(a, b *resource.Quantity) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Cmp(*b) == 0
}

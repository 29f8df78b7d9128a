package cluster

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// StatusManager is the field manager of what this package writes of a policy's
// status: observedGeneration, sizeLimit, memoryCost, and the conditions Accepted,
// MatchConditionCurrent and SizeSufficient.
const StatusManager = "shmkeeper-policy-status"

const (
	// pollInterval is how soon a policy is looked at again that is about to be covered.
	pollInterval = 250 * time.Millisecond
	// notSentTimeout is how long that may take before the status says that it is not.
	notSentTimeout = 5 * time.Second
)

// statusWriter writes the status of policies. The leader alone runs it.
type statusWriter struct {
	client   client.Client
	catalog  *catalog
	coverage *coverage
	now      func() time.Time

	// begun is when the term began; it is of the reconciler's one goroutine.
	begun time.Time
}

// begin begins a term: what is covered is not known yet, and what an earlier leader has
// said stands for a while.
func (w *statusWriter) begin() { w.begun = w.now() }

// Reconcile writes the status of one policy where it differs from what there is
// to say. An error is one of the API server, and the write is tried again.
func (w *statusWriter) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	p := &v1alpha1.SharedMemoryPolicy{}
	if err := w.client.Get(ctx, request.NamespacedName, p); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	v, ok := w.catalog.about(p)
	if !ok {
		return reconcile.Result{RequeueAfter: pollInterval}, nil
	}
	covered := w.coverage.upTo() >= v.since
	waiting := !covered
	since := v.taken
	if w.begun.After(since) {
		since = w.begun
	}
	if waiting && w.now().Sub(since) < notSentTimeout {
		return reconcile.Result{RequeueAfter: pollInterval}, nil
	}
	err := w.write(ctx, p, v, covered)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		// It was deleted, or replaced by another of its name: that one has its own turn.
		err = nil
	}
	if waiting {
		return reconcile.Result{RequeueAfter: notSentTimeout}, err
	}
	return reconcile.Result{}, err
}

func (w *statusWriter) write(ctx context.Context, p *v1alpha1.SharedMemoryPolicy, v verdict, covered bool) error {
	var sizeLimit, memoryCost *resource.Quantity
	if v.inForce {
		if s, ok := v.compiled.Size(); ok {
			sizeLimit, memoryCost = s.Limit.Quantity(), s.MemoryCost.Quantity()
		}
	}
	wanted := append([]metav1.Condition(nil), p.Status.Conditions...)
	changed := p.Status.ObservedGeneration != p.Generation ||
		!equal(sizeLimit, p.Status.SizeLimit) || !equal(memoryCost, p.Status.MemoryCost)
	own := []any{}
	for _, c := range []metav1.Condition{accepted(v), matchConditionCurrent(v, covered), sizeSufficient(v)} {
		c.ObservedGeneration, c.LastTransitionTime = p.Generation, metav1.NewTime(w.now())
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
	status := map[string]any{"observedGeneration": p.Generation, "conditions": own}
	if sizeLimit != nil {
		status["sizeLimit"], status["memoryCost"] = sizeLimit.String(), memoryCost.String()
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": p.Name, "uid": string(p.UID)},
		"status":   status,
	}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	return w.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(StatusManager), client.ForceOwnership)
}

func equal(a, b *resource.Quantity) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Cmp(*b) == 0
}

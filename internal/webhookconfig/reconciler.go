package webhookconfig

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
)

const (
	// FieldManager owns what is written into a configuration that is there: the match
	// condition, the reference to the Namespace and, once something of a webhook had to be
	// restored, that webhook.
	FieldManager = "shmkeeper"
	// RestoreFieldManager owns a configuration that was deleted and has been restored.
	RestoreFieldManager = "shmkeeper-restore"
)

const (
	// retryAfter is how soon something is looked at again that had to wait for others.
	retryAfter = 10 * time.Second
	// conflictRetry is how soon a write is tried again that was overtaken. The watch
	// usually delivers what overtook it before.
	conflictRetry = time.Second
	// minRewrite and maxRewrite bound the time between two match conditions, see rewriteAfter.
	minRewrite, maxRewrite = 100 * time.Millisecond, time.Second
	// longExpression is the length in bytes from which a match condition is written once in maxRewrite.
	longExpression = 16 << 10
)

// reconciler writes one webhook configuration in one term of a leader.
type reconciler struct {
	Options
	installation
	kind           string
	manifest       *unstructured.Unstructured
	client         client.Client
	events         events.EventRecorder
	matchCondition *MatchCondition

	// Of the one goroutine that reconciles.
	changedSince time.Time // what has to be restored; zero: nothing has
	written      string    // the expression that this term has written last
	writtenAt    time.Time
	contest      contest
	reported     string // the foreign webhooks that an event has named
}

// rewriteAfter returns the shortest time from one match condition to this one. The API server compiles the CEL of a
// configuration again on the path of the next Pod, which takes longer the longer it is, so many policies that change one
// after the other must not have it do so each time.
func rewriteAfter(expression string) time.Duration {
	return min(max(minRewrite, time.Duration(len(expression))*maxRewrite/longExpression), maxRewrite)
}

// Reconcile brings a configuration to what it should be, if it is not. An error is one of
// the API server, and all is tried again.
func (r *reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	condition, ok := r.Policies.MatchCondition()
	if !ok { // of a part of the policies it would hold back Pods of the others
		return reconcile.Result{}, nil // an event comes when all are known
	}
	live := newConfiguration(r.kind)
	switch err := r.client.Get(ctx, client.ObjectKeyFromObject(r.manifest), live); {
	case apierrors.IsNotFound(err):
		live = nil
	case err != nil:
		return reconcile.Result{}, err
	case live.GetDeletionTimestamp() != nil:
		return reconcile.Result{}, nil
	}
	drift := driftOf(live, r.manifest, r.IgnoreFailurePolicy)
	restore, wait, err := r.mayRestore(ctx, drift)
	if err != nil {
		return reconcile.Result{}, err
	}
	hold := max(r.contest.stopped(r.Now()), r.contest.wait(r.Now()))
	if hold > 0 && condition.Expression != r.written {
		restore, wait = false, hold // a new match condition is nobody's fight, and does not wait
	}
	change, err := r.change(ctx, live, condition.Expression, restore)
	if err != nil {
		return reconcile.Result{}, err
	}
	switch {
	case change == nil && restore:
		wait = retryAfter
	case change != nil:
		correction := restore || condition.Expression == r.written
		if correction && hold > 0 {
			r.publish(live, -1, true)
			return reconcile.Result{RequeueAfter: hold}, nil
		}
		if early := rewriteAfter(condition.Expression) - r.Now().Sub(r.writtenAt); !correction && early > 0 {
			return reconcile.Result{RequeueAfter: early}, nil
		}
		err := r.write(ctx, live, change, drift, restore)
		if apierrors.IsConflict(err) {
			return reconcile.Result{RequeueAfter: conflictRetry}, nil
		}
		if err != nil {
			return reconcile.Result{}, fmt.Errorf("%s %q cannot be written: %w: make sure that the server may create and patch it",
				r.kind, r.manifest.GetName(), err)
		}
		r.wrote(ctx, change, condition, correction)
	}
	r.publish(live, condition.Revision, r.contest.contested(r.Now()))
	foreignWait, err := r.reportForeign(ctx, live)
	return reconcile.Result{RequeueAfter: shortest(wait, foreignWait, r.contestEnds())}, err
}

// mayRestore reports whether a drift is to be undone now and, if not, when to ask again; 0
// stands for when the configuration changes. To delete shmkeeper or to apply another
// version of it takes a moment, so a drift has to last.
func (r *reconciler) mayRestore(ctx context.Context, drift []string) (restore bool, wait time.Duration, err error) {
	if len(drift) == 0 || r.RestoreDisabled {
		r.changedSince = time.Time{}
		return false, 0, nil
	}
	if r.changedSince.IsZero() {
		r.changedSince = r.Now()
	}
	if wait := r.RestoreDelay - r.Now().Sub(r.changedSince); wait > 0 {
		return false, wait, nil
	}
	atRest, err := r.atRest(ctx)
	if err != nil || !atRest {
		return false, retryAfter, err
	}
	return true, 0, nil
}

// change returns what has to be applied, nil if nothing has to be. Of webhooks that nobody
// has changed it is the match condition alone: the rest stays with the tool that
// installed shmkeeper, which could not change it otherwise by a server-side apply.
func (r *reconciler) change(
	ctx context.Context, live *unstructured.Unstructured, expression string, restore bool,
) (change *unstructured.Unstructured, err error) {
	if live == nil && !restore {
		return nil, nil
	}
	owner, differs, err := r.ownerOf(ctx, live)
	if err != nil {
		return nil, err
	}
	if live == nil {
		change, differs = r.recreated(ctx, expression), true
	} else {
		change = newConfiguration(r.kind)
		change.SetName(live.GetName())
		// A configuration that has been changed or deleted since is left alone.
		change.SetUID(live.GetUID())
		change.SetResourceVersion(live.GetResourceVersion())
		entries, others := r.entries(live, expression, restore)
		change.Object["webhooks"], differs = entries, differs || others
	}
	if change == nil || !differs {
		return nil, nil
	}
	if owner != nil {
		change.SetOwnerReferences([]metav1.OwnerReference{*owner})
	}
	return change, nil
}

// entries returns what to apply of the webhooks, and whether that differs from what is
// there.
func (r *reconciler) entries(live *unstructured.Unstructured, expression string, restore bool) (entries []any, differs bool) {
	entries = []any{}
	for _, want := range webhooksOf(r.manifest) {
		entry, whole, changed := r.entry(live, want, expression, restore)
		differs = differs || changed
		switch {
		case entry == nil:
		case whole || ownsEntry(live, want.name()):
			entries = append(entries, map[string]any(entry))
		case want.getsPods():
			entries = append(entries, map[string]any{"name": want.name(), "matchConditions": []any{
				map[string]any{"name": matchcondition.Name, "expression": expression},
			}})
		}
	}
	return entries, differs
}

// entry returns what a webhook should be, nil if it is missing and is not to be restored.
// whole reports whether more of it has to be written than the match condition. Webhooks for
// the templates of workloads get none: requests for these are few, and their Pods lie at a
// different place in each kind.
func (r *reconciler) entry(
	live *unstructured.Unstructured, want webhook, expression string, restore bool,
) (entry webhook, whole, differs bool) {
	entry = find(webhooksOf(live), want.name())
	switch {
	case entry == nil && !restore:
		return nil, false, false
	case entry == nil:
		entry, whole = want.clone(), true
		entry.setBundle(r.bundle(live))
	case restore:
		fixed, drift := restored(entry, want, r.IgnoreFailurePolicy)
		entry, whole = fixed, len(drift) > 0
	}
	if is, found := entry.condition(matchcondition.Name); want.getsPods() && (!found || is != expression) {
		entry.setCondition(matchcondition.Name, expression)
		differs = true
	}
	return entry, whole, whole || differs
}

// bundle returns what the API server verifies this server by: this server's own bundle or,
// if others publish it, what the configuration has; nil if neither is known.
func (r *reconciler) bundle(configuration *unstructured.Unstructured) []byte {
	if bundle := r.CABundle(); len(bundle) > 0 {
		return bundle
	}
	return bundleOf(configuration)
}

// ownerOf returns the reference to the Namespace, nil if that is gone. missing reports
// whether the configuration should have it, and does not.
func (r *reconciler) ownerOf(ctx context.Context, live *unstructured.Unstructured) (owner *metav1.OwnerReference, missing bool, err error) {
	if live != nil {
		for _, reference := range live.GetOwnerReferences() {
			if reference.Kind == "Namespace" && reference.Name == r.namespace {
				return &reference, false, nil
			}
		}
	}
	namespace, err := r.owner(ctx)
	if namespace == nil {
		return nil, false, err
	}
	// It does not block a deletion, so no permission on finalizers is needed.
	return &metav1.OwnerReference{APIVersion: "v1", Kind: "Namespace", Name: namespace.Name, UID: namespace.UID}, true, nil
}

// wrote notes that a change was written.
func (r *reconciler) wrote(ctx context.Context, change *unstructured.Unstructured, condition cluster.MatchCondition, correction bool) {
	if correction {
		r.contest.corrected(r.Now())
	}
	if correction && r.contest.corrections == maxCorrections {
		r.recordEvent(ctx, change, "Contested", "Restore", fmt.Sprintf(
			"somebody has undone %d times what shmkeeper writes into its %s, which it now leaves as it is for %s", maxCorrections, r.kind, pause),
			": kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations shmkeeper -o yaml --show-managed-fields shows who; "+
				"configure that tool not to manage what shmkeeper restores")
	}
	if condition.Narrow {
		log.FromContext(ctx).V(1).Info("wrote the match condition", "revision", condition.Revision)
	} else if r.written != condition.Expression {
		const what = "every Pod is sent to the webhooks of shmkeeper"
		log.FromContext(ctx).Info(what)
		r.recordEvent(ctx, change, "EveryPodSent", "Update", what, ": either a policy could match any Pod, and its condition "+
			"MatchConditionCurrent says so, or a match condition for all policies and image mirrors would be too costly: use fewer of them")
	}
	r.written, r.writtenAt, r.changedSince = condition.Expression, r.Now(), time.Time{}
}

// publish says which revision of the policies a configuration covers: none if no webhook
// of it is sent Pods. contested says whether somebody else keeps changing it.
func (r *reconciler) publish(live *unstructured.Unstructured, revision int64, contested bool) {
	covers := int64(-1)
	have := webhooksOf(live)
	for _, want := range webhooksOf(r.manifest) {
		if want.getsPods() && find(have, want.name()) != nil {
			covers = revision
		}
	}
	r.matchCondition.set(r.kind, coverage{covers, contested})
	r.Metrics.setContested(r.kind, partWebhooks, contested)
}

// contestEnds returns when a contest is over if nobody interferes any more; 0 if there is
// none.
func (r *reconciler) contestEnds() time.Duration {
	if now := r.Now(); r.contest.contested(now) {
		return quiet - now.Sub(r.contest.last)
	}
	return 0
}

// reportForeign reports webhooks that are not shmkeeper's, once, and returns when to look
// again. They are not taken out: somebody who may add one may as well add a configuration.
func (r *reconciler) reportForeign(ctx context.Context, live *unstructured.Unstructured) (wait time.Duration, err error) {
	names := foreign(live, r.manifest)
	r.Metrics.foreign.WithLabelValues(r.kind).Set(float64(len(names)))
	text := quoted(names)
	if text == r.reported {
		return 0, nil
	}
	if len(names) > 0 {
		if atRest, err := r.atRest(ctx); err != nil || !atRest {
			return retryAfter, err // they may be of the version that is being rolled out
		}
		r.recordEvent(ctx, live, "Foreign", "Report", text+" in the "+r.kind+" of shmkeeper is not shmkeeper's",
			": if it is left over from another version of shmkeeper, delete it, otherwise put it into a configuration of its own")
	}
	r.reported = text
	return 0, nil
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = fmt.Sprintf("webhook %q", name)
	}
	return strings.Join(out, ", ")
}

// shortest returns the shortest of some durations that are not 0; 0 if all are.
func shortest(durations ...time.Duration) (out time.Duration) {
	for _, d := range durations {
		if d > 0 && (out == 0 || d < out) {
			out = d
		}
	}
	return out
}

package webhookconfig

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
)

// policies needs one match condition, or none yet while its expression is empty.
type policies struct{ condition cluster.MatchCondition }

func (p *policies) MatchCondition() (cluster.MatchCondition, bool) {
	return p.condition, p.condition.Expression != ""
}

func (p *policies) PolicyChanges(context.Context) <-chan event.GenericEvent { return nil }

func (p *policies) set(expression string) {
	p.condition = cluster.MatchCondition{Expression: expression, Narrow: expression != "true", Revision: p.condition.Revision + 1}
}

// testReconciler restores the mutating configuration at once, over a client that has some
// objects.
type testReconciler struct {
	*reconciler
	policies *policies
	recorded *events.FakeRecorder
	at       time.Time
}

func newTestReconciler(t *testing.T, objects ...client.Object) *testReconciler {
	t.Helper()
	r := &testReconciler{policies: &policies{}, recorded: events.NewFakeRecorder(100), at: time.Now()}
	r.policies.set("'a' in object.metadata.labels")
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithReturnManagedFields().WithObjects(objects...).Build()
	r.reconciler, err = newReconciler(Mutating, webhooks.Mutating(), Options{
		Namespace: "shmkeeper-system", Deployment: "shmkeeper", Policies: r.policies, LastSeen: &LastSeen{}, Metrics: metrics,
		CABundle: func() []byte { return nil }, Now: func() time.Time { return r.at },
	}, c, c, r.recorded)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// nextTerm returns the same replica in a later term.
func (r *testReconciler) nextTerm() *testReconciler {
	next := *r.reconciler
	next.changedSince, next.written, next.contest, next.matchCondition = time.Time{}, "", contest{}, newMatchCondition()
	return &testReconciler{reconciler: &next, policies: r.policies, recorded: r.recorded, at: r.at}
}

// covers reports whether the mutating configuration covers a revision.
func (r *testReconciler) covers(revision int64) bool {
	return r.matchCondition.byKind[Mutating].revision >= revision
}

func (r *testReconciler) contested() bool { return r.matchCondition.byKind[Mutating].contested }

func (r *testReconciler) once(t *testing.T) reconcile.Result {
	t.Helper()
	result, err := r.Reconcile(t.Context(), reconcile.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// live returns the configuration, nil if there is none.
func (r *testReconciler) live(t *testing.T) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	o := &admissionregistrationv1.MutatingWebhookConfiguration{}
	switch err := r.client.Get(t.Context(), client.ObjectKey{Name: "shmkeeper"}, o); {
	case err == nil:
		return o
	case client.IgnoreNotFound(err) == nil:
		return nil
	default:
		t.Fatal(err)
		return nil
	}
}

// edit changes the configuration as somebody else does.
func (r *testReconciler) edit(t *testing.T, change func(*admissionregistrationv1.MutatingWebhookConfiguration)) {
	t.Helper()
	o := r.live(t)
	change(o)
	if err := r.client.Update(t.Context(), o, client.FieldOwner("editor")); err != nil {
		t.Fatal(err)
	}
}

// shipped returns the mutating configuration that ships, as an API server stores it.
func shipped(t *testing.T) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	u, err := readManifest(webhooks.Mutating(), Mutating, "shmkeeper-system")
	if err != nil {
		t.Fatal(err)
	}
	o := &admissionregistrationv1.MutatingWebhookConfiguration{}
	toTyped(t, u.Object, o)
	for i := range o.Webhooks {
		o.Webhooks[i].ObjectSelector = &metav1.LabelSelector{} // defaulted
	}
	return o
}

// installed returns the objects of an installation at rest.
func installed() []client.Object {
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shmkeeper-system", UID: "n"}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shmkeeper-system", Name: "shmkeeper"}, Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1}},
	}
}

func conditionOf(w *admissionregistrationv1.MutatingWebhook, name string) (expression string, found bool) {
	for _, c := range w.MatchConditions {
		if c.Name == name {
			return c.Expression, true
		}
	}
	return "", false
}

func TestReconcile_WritesNothingBeforeAllPoliciesAreKnown(t *testing.T) {
	r := newTestReconciler(t, append(installed(), shipped(t))...)
	r.policies.condition = cluster.MatchCondition{}
	r.once(t)
	if _, found := conditionOf(&r.live(t).Webhooks[0], matchcondition.Name); found || r.covers(0) {
		t.Error("a condition is written")
	}
}

func TestReconcile_OwnsTheMatchConditionAndTheOwnerOnly(t *testing.T) {
	r := newTestReconciler(t, append(installed(), shipped(t))...)
	r.once(t)
	live := r.live(t)
	if got, _ := conditionOf(&live.Webhooks[0], matchcondition.Name); got != r.policies.condition.Expression || len(live.OwnerReferences) != 1 {
		t.Errorf("the match condition is %q, the owners are %v", got, live.OwnerReferences)
	}
	// The fake client adds the fields of a webhook without omitempty: TestReconciler_OwnsNothingElse is on an API server.
	const want = `{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"n\"}":{}}},"f:webhooks":{"k:{\"name\":\"mutate.pods.shmkeeper.dev\"}":{` +
		`".":{},"f:admissionReviewVersions":{},"f:clientConfig":{},"f:matchConditions":{` +
		`"k:{\"name\":\"may-match-policy\"}":{".":{},"f:expression":{},"f:name":{}}},"f:name":{},"f:sideEffects":{}}}}`
	if diff := cmp.Diff([]string{want}, fieldsOf(live)); diff != "" {
		t.Errorf("it owns (-want +got):\n%s", diff)
	}
	version := live.ResourceVersion
	r.once(t)
	if got := r.live(t).ResourceVersion; got != version {
		t.Error("the configuration was written though nothing had changed")
	}
}

// A condition that stays narrow because somebody else has come to own it too, such as an
// operator who applied an exported configuration, would hold back Pods that have to be sent.
func TestReconcile_WidensAConditionThatOthersOwnToo(t *testing.T) {
	o := shipped(t)
	o.Webhooks[0].MatchConditions = append(o.Webhooks[0].MatchConditions, admissionregistrationv1.MatchCondition{Name: matchcondition.Name, Expression: "false"})
	r := newTestReconciler(t, append(installed(), o)...)
	r.policies.set("true")
	r.once(t)
	w := &r.live(t).Webhooks[0]
	if got, _ := conditionOf(w, matchcondition.Name); got != "true" {
		t.Errorf("the condition is %q, and holds back Pods that a policy matches", got)
	}
	if _, found := conditionOf(w, "not-a-mirror-pod"); !found {
		t.Error("another condition is gone")
	}
	const want = "Warning EveryPodSent every Pod is sent to the webhooks of shmkeeper: either a policy could match any Pod, and its condition " +
		"MatchConditionCurrent says so, or a match condition for all policies and image mirrors would be too costly: use fewer of them"
	r.once(t)
	if got := recorded(r.recorded); len(got) != 1 || got[0] != want {
		t.Errorf("events %q, want one: %s", got, want)
	}
}

func TestReconcile_ReportsWebhooksThatAreNotOurs(t *testing.T) {
	o := shipped(t)
	stranger := o.Webhooks[0]
	stranger.Name = "other.example.com"
	o.Webhooks = append(o.Webhooks, stranger)
	r := newTestReconciler(t, append(installed(), o)...)
	for range 2 {
		r.once(t)
	}
	const want = `Warning Foreign webhook "other.example.com" in the MutatingWebhookConfiguration of shmkeeper is not shmkeeper's: ` +
		`if it is left over from another version of shmkeeper, delete it, otherwise put it into a configuration of its own`
	if got := recorded(r.recorded); len(got) != 1 || got[0] != want {
		t.Errorf("events %q, want one: %s", got, want)
	}
	if n := testutil.ToFloat64(r.Metrics.foreign.WithLabelValues(Mutating)); n != 1 {
		t.Errorf("%v foreign webhooks are counted", n)
	}
	if got := r.live(t).Webhooks; len(got) != 2 || len(got[1].MatchConditions) != len(stranger.MatchConditions) {
		t.Errorf("the webhooks are %v", got)
	}
	r.edit(t, func(o *admissionregistrationv1.MutatingWebhookConfiguration) { o.Webhooks = o.Webhooks[:1] })
	r.once(t)
	if n := testutil.ToFloat64(r.Metrics.foreign.WithLabelValues(Mutating)); n != 0 {
		t.Errorf("%v foreign webhooks are counted after it was deleted", n)
	}
}

func recorded(r *events.FakeRecorder) (out []string) {
	for {
		select {
		case e := <-r.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

func TestReconcile_BacksOffInAFight(t *testing.T) {
	r := newTestReconciler(t, append(installed(), shipped(t))...)
	r.once(t)
	against := func() {
		r.edit(t, func(o *admissionregistrationv1.MutatingWebhookConfiguration) {
			w := &o.Webhooks[0]
			w.MatchConditions = w.MatchConditions[:1]
		})
	}
	corrected := func() bool {
		_, found := conditionOf(&r.live(t).Webhooks[0], matchcondition.Name)
		return found
	}
	gauge := func() float64 { return testutil.ToFloat64(r.Metrics.contested.WithLabelValues(Mutating, partWebhooks)) }
	for i := range freeCorrections {
		against()
		r.once(t)
		if !corrected() || r.contested() || gauge() != 0 {
			t.Fatalf("edit %d: corrected %v, contested %v", i+1, corrected(), r.contested())
		}
	}
	for _, wait := range []time.Duration{firstWait, 2 * firstWait, 4 * firstWait} {
		against()
		if got := r.once(t); got.RequeueAfter != wait || corrected() {
			t.Errorf("a wait of %s, want %s; corrected %v", got.RequeueAfter, wait, corrected())
		}
		if r.covers(0) {
			t.Error("what somebody has undone counts as covered")
		}
		r.at = r.at.Add(wait)
		r.once(t)
		if !corrected() || !r.contested() || gauge() != 1 {
			t.Errorf("after the wait: corrected %v, contested %v, the metric is %v", corrected(), r.contested(), gauge())
		}
	}
	// A change of the policies is nobody's fight, and does not wait.
	r.at = r.at.Add(maxRewrite)
	r.policies.set("'b' in object.metadata.labels")
	r.once(t)
	if got, _ := conditionOf(&r.live(t).Webhooks[0], matchcondition.Name); got != r.policies.condition.Expression {
		t.Errorf("the match condition is %q", got)
	}
	if got := r.once(t); got.RequeueAfter != quiet-maxRewrite {
		t.Errorf("it looks again after %s, want %s", got.RequeueAfter, quiet-maxRewrite)
	}
	r.at = r.at.Add(quiet)
	r.once(t)
	if r.contested() || gauge() != 0 {
		t.Error("the fight is over, and counts as one")
	}
	against()
	r.once(t)
	if !corrected() {
		t.Error("the first edit after a fight waits")
	}
}

func TestReconcile_StopsAFight(t *testing.T) {
	r := newTestReconciler(t, append(installed(), shipped(t))...)
	r.once(t)
	fail := admissionregistrationv1.Fail
	against := func() {
		r.edit(t, func(o *admissionregistrationv1.MutatingWebhookConfiguration) { o.Webhooks[0].FailurePolicy = &fail })
	}
	corrected := func() bool { return *r.live(t).Webhooks[0].FailurePolicy == admissionregistrationv1.Ignore }
	r.RestoreDelay = 0
	recorded(r.recorded)
	begin := r.at
	for i := range maxCorrections {
		against()
		for wait := r.once(t).RequeueAfter; !corrected(); wait = r.once(t).RequeueAfter {
			if r.at = r.at.Add(wait); wait == 0 || r.at.Sub(begin) > pause/2 {
				t.Fatalf("correction %d was not made within %s", i+1, r.at.Sub(begin))
			}
		}
	}
	if events := recorded(r.recorded); !strings.Contains(events[len(events)-1], "Contested somebody has undone 20 times") {
		t.Errorf("the last event is %q", events[len(events)-1])
	}
	stopped := r.at
	against()
	for r.at.Sub(stopped) < pause {
		got := r.once(t)
		if corrected() || !r.contested() || r.covers(0) {
			t.Fatalf("%s after it stopped: corrected %v, contested %v", r.at.Sub(stopped), corrected(), r.contested())
		}
		if left := pause - r.at.Sub(stopped); got.RequeueAfter != left {
			t.Errorf("it looks again after %s, want %s", got.RequeueAfter, left)
		}
		r.at = r.at.Add(5 * time.Minute)
	}
	r.at = stopped.Add(pause / 2)
	r.policies.set("'b' in object.metadata.labels")
	r.once(t)
	if got, _ := conditionOf(&r.live(t).Webhooks[0], matchcondition.Name); got != r.policies.condition.Expression || corrected() {
		t.Errorf("a new match condition waits for the end of the fight: %q, corrected %v", got, corrected())
	}
	r.at = stopped.Add(pause)
	r.once(t)
	if !corrected() {
		t.Error("it does not try again")
	}
}

func TestReconcile_LeavesAConfigurationThatWasChangedMeanwhile(t *testing.T) {
	r := newTestReconciler(t, append(installed(), shipped(t))...)
	r.client = stale{r.client, shipped(t)}
	if got := r.once(t); got.RequeueAfter != conflictRetry {
		t.Errorf("result %+v", got)
	}
	if _, found := conditionOf(&r.live(t).Webhooks[0], matchcondition.Name); found {
		t.Error("it is written over what has not been read")
	}
}

// stale reads a configuration of an earlier version.
type stale struct {
	client.Client
	earlier *admissionregistrationv1.MutatingWebhookConfiguration
}

// Get implements client.Reader.
func (s stale) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	err := s.Client.Get(ctx, key, o, options...)
	if o.GetName() == s.earlier.Name && o.GetObjectKind().GroupVersionKind().Kind == Mutating {
		o.SetResourceVersion("1")
	}
	return err
}

// A flood of changes makes the API server compile a long match condition once a second, and the last of them is written.
func TestReconcile_WritesALongMatchConditionOnceASecond(t *testing.T) {
	r := newTestReconciler(t, append(installed(), shipped(t))...)
	long := func(label string) string {
		return strings.Repeat("'"+label+"' in object.metadata.labels || ", 1000) + "false"
	}
	r.policies.set(long("w"))
	r.once(t)
	for _, label := range []string{"x", "y", "z"} {
		r.policies.set(long(label))
		r.at = r.at.Add(maxRewrite / 4)
		if got := r.once(t); got.RequeueAfter <= 0 || got.RequeueAfter > maxRewrite {
			t.Errorf("it looks again after %s, want within %s", got.RequeueAfter, maxRewrite)
		}
		if got, _ := conditionOf(&r.live(t).Webhooks[0], matchcondition.Name); got != long("w") {
			t.Fatalf("the match condition is %.40q... after less than %s, want that of the first policies", got, maxRewrite)
		}
	}
	r.at = r.at.Add(maxRewrite / 4)
	r.once(t)
	if got, _ := conditionOf(&r.live(t).Webhooks[0], matchcondition.Name); got != long("z") {
		t.Errorf("the match condition is %.40q..., want that of the last change", got)
	}
}

func TestRewriteAfter(t *testing.T) {
	for length, want := range map[int]time.Duration{
		0: 100 * time.Millisecond, 1000: 100 * time.Millisecond, 8 << 10: 500 * time.Millisecond, 16 << 10: time.Second, 1 << 20: time.Second,
	} {
		if got := rewriteAfter(strings.Repeat("x", length)); got != want {
			t.Errorf("after a match condition of %d bytes: %s, want %s", length, got, want)
		}
	}
}

package webhookconfig

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
)

func TestReconcile_WaitsBeforeItRestores(t *testing.T) {
	r := newTestReconciler(t, installed()...)
	r.CABundle = func() []byte { return []byte("ca") }
	r.RestoreDelay = time.Minute
	if got := r.once(t); got.RequeueAfter != time.Minute || r.live(t) != nil {
		t.Errorf("result %+v", got)
	}
	r.at = r.at.Add(time.Minute)
	r.once(t)
	if o := r.live(t); o == nil || string(o.Webhooks[0].ClientConfig.CABundle) != "ca" || len(o.OwnerReferences) != 1 {
		t.Errorf("restored: %+v", o)
	}
}

func TestReconcile_ANewTermWaitsTheWholeDelayBeforeItRestores(t *testing.T) {
	r := newTestReconciler(t, installed()...)
	r.CABundle = func() []byte { return []byte("ca") }
	r.RestoreDelay = time.Minute
	for i, after := range []time.Duration{0, time.Hour} {
		// In between another leader has restored it, and it was deleted once more.
		r.at = r.at.Add(after)
		next := r.nextTerm()
		next.Now = func() time.Time { return r.at }
		if got := next.once(t); got.RequeueAfter != time.Minute || r.live(t) != nil {
			t.Errorf("term %d: result %+v", i+1, got)
		}
	}
}

func TestReconcile_RestoresNothingThatItShouldNot(t *testing.T) {
	ca := func(r *testReconciler) { r.CABundle = func() []byte { return []byte("ca") } }
	gone := metav1.Now()
	for name, tc := range map[string]struct {
		change  func(*testReconciler)
		objects []client.Object
	}{
		"when told to leave edits":             {func(r *testReconciler) { ca(r); r.RestoreDisabled = true }, installed()},
		"without a bundle to be verified by":   {func(*testReconciler) {}, installed()},
		"without its Deployment":               {ca, installed()[:1]},
		"without its Namespace":                {ca, installed()[1:]},
		"while its Namespace is being deleted": {ca, []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shmkeeper-system", DeletionTimestamp: &gone, Finalizers: []string{"kubernetes"}}}, installed()[1]}},
		"while its Deployment is being deleted": {ca, []client.Object{installed()[0], &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shmkeeper-system", Name: "shmkeeper", DeletionTimestamp: &gone, Finalizers: []string{"foregroundDeletion"}},
			Status:     appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestReconciler(t, tc.objects...)
			tc.change(r)
			r.once(t)
			if r.live(t) != nil {
				t.Error("the configuration is restored")
			}
		})
	}
}

func TestReconcile_RestoresWhatWasChanged(t *testing.T) {
	fail, url, seconds := admissionregistrationv1.Fail, "https://example.com", int32(7)
	r := newTestReconciler(t, append(installed(), shipped(t))...)
	r.once(t)
	r.edit(t, func(o *admissionregistrationv1.MutatingWebhookConfiguration) {
		w := &o.Webhooks[0]
		w.ClientConfig.URL, w.ClientConfig.Service, w.ClientConfig.CABundle = &url, nil, []byte("ca")
		w.Rules, w.FailurePolicy, w.TimeoutSeconds = nil, &fail, &seconds
		w.NamespaceSelector, w.ObjectSelector = &metav1.LabelSelector{}, &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
		w.MatchConditions = nil
	})
	r.once(t)
	want := shipped(t).Webhooks[0]
	want.ClientConfig.CABundle, want.TimeoutSeconds = []byte("ca"), &seconds
	want.SideEffects, want.AdmissionReviewVersions = nil, nil // the fake client loses what an apply leaves out of these; an API server does not
	want.MatchConditions = append(want.MatchConditions, admissionregistrationv1.MatchCondition{Name: matchcondition.Name, Expression: r.policies.condition.Expression})
	if diff := cmp.Diff(want, r.live(t).Webhooks[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The next change of the policies takes nothing of that away.
	r.at = r.at.Add(maxRewrite)
	r.policies.set("'b' in object.metadata.labels")
	r.once(t)
	want.MatchConditions[len(want.MatchConditions)-1].Expression = r.policies.condition.Expression
	if diff := cmp.Diff(want, r.live(t).Webhooks[0]); diff != "" {
		t.Errorf("after the next write (-want +got):\n%s", diff)
	}
	if !r.covers(r.policies.condition.Revision) {
		t.Errorf("covered: %v", r.matchCondition.byKind)
	}
}

// recreate returns what the reconciler restores in place of a deleted configuration that was last seen so; nil for never.
func recreate(t *testing.T, manifest, seen *unstructured.Unstructured, ignoreFailurePolicy bool) *unstructured.Unstructured {
	t.Helper()
	r := newTestReconciler(t, installed()...)
	r.CABundle = func() []byte { return []byte("ca") }
	r.kind, r.manifest, r.IgnoreFailurePolicy = manifest.GetKind(), manifest, ignoreFailurePolicy
	if seen != nil {
		r.LastSeen.remember(seen)
	}
	r.once(t)
	live, err := read(t.Context(), r.client, r.kind, "shmkeeper")
	if err != nil || live == nil {
		t.Fatalf("the configuration is not restored: %v", err)
	}
	return live
}

// AKS adds requirements to the selectors of a configuration without its annotation, so one that is restored has it, along with
// what an operator has added. What kubectl noted of its last apply is left out: that configuration is gone.
func TestReconcile_RestoresLabelsAndAnnotations(t *testing.T) {
	for kind, text := range map[string][]byte{Mutating: webhooks.Mutating(), Validating: webhooks.Validating()} {
		manifest, err := readManifest(text, kind, "shmkeeper-system")
		if err != nil {
			t.Fatal(err)
		}
		seen := manifest.DeepCopy()
		entry := webhooksOf(seen)[0]
		entry.setBundle([]byte("ca"))
		seen.Object["webhooks"] = []any{map[string]any(entry)}
		seen.SetLabels(map[string]string{"app.kubernetes.io/name": "shmkeeper", "team": "a"})
		seen.SetAnnotations(map[string]string{"admissions.enforcer/disabled": "true", "note": "b", corev1.LastAppliedConfigAnnotation: "{}"})
		for name, c := range map[string]struct {
			seen                *unstructured.Unstructured
			labels, annotations map[string]string
		}{
			"as it ships": {nil, map[string]string{"app.kubernetes.io/name": "shmkeeper"}, map[string]string{"admissions.enforcer/disabled": "true"}},
			"as it was seen": {
				seen,
				map[string]string{"app.kubernetes.io/name": "shmkeeper", "team": "a"},
				map[string]string{"admissions.enforcer/disabled": "true", "note": "b"},
			},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				live := recreate(t, manifest, c.seen, false)
				if diff := cmp.Diff(c.labels, live.GetLabels()); diff != "" {
					t.Errorf("labels (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(c.annotations, live.GetAnnotations()); diff != "" {
					t.Errorf("annotations (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A server that refuses nothing lets no webhook fail closed that was deleted, whatever it was before.
func TestReconcile_RecreatesToFailOpenBelowEnforce(t *testing.T) {
	manifest, err := readManifest(webhooks.Validating(), Validating, "shmkeeper-system")
	if err != nil {
		t.Fatal(err)
	}
	seen := manifest.DeepCopy()
	var entries []any
	for _, w := range webhooksOf(seen) {
		w.setBundle([]byte("ca"))
		w[failurePolicy] = "Fail"
		entries = append(entries, map[string]any(w))
	}
	seen.Object["webhooks"] = entries
	for name, c := range map[string]struct {
		seen   *unstructured.Unstructured
		ignore bool
		want   string
	}{
		"as it ships, below enforce":    {nil, true, "enforce: Ignore, report: Ignore, templates: Ignore, modes: Ignore, policies: Fail"},
		"as it was seen, below enforce": {seen, true, "enforce: Fail, report: Ignore, templates: Ignore, modes: Ignore, policies: Fail"},
		"as it ships":                   {nil, false, "enforce: Fail, report: Ignore, templates: Ignore, modes: Ignore, policies: Fail"},
		"as it was seen":                {seen, false, "enforce: Fail, report: Ignore, templates: Ignore, modes: Ignore, policies: Fail"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, w := range webhooksOf(recreate(t, manifest, c.seen, c.ignore)) {
				short, _, _ := strings.Cut(w.name(), ".")
				got = append(got, fmt.Sprintf("%s: %s", short, w[failurePolicy]))
			}
			if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What was restored stays although somebody takes the rules over, and the policies change before those are restored.
func TestReconcile_APartialWriteTakesNothingAway(t *testing.T) {
	ca := []byte("ca")
	type configuration = admissionregistrationv1.MutatingWebhookConfiguration
	for name, change := range map[string]func(*configuration){
		"a match condition": func(c *configuration) { c.Webhooks[0].MatchConditions = c.Webhooks[0].MatchConditions[1:] },
		"a selector": func(c *configuration) {
			c.Webhooks[0].NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
		},
		"a webhook": func(c *configuration) { c.Webhooks = nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestReconciler(t, append(installed(), shipped(t))...)
			r.CABundle = func() []byte { return ca }
			r.once(t)
			r.edit(t, change)
			r.once(t)
			r.RestoreDisabled = true
			r.edit(t, func(c *configuration) {
				c.Webhooks[0].Rules[0].Operations = append(c.Webhooks[0].Rules[0].Operations, admissionregistrationv1.Update)
			})
			r.at = r.at.Add(maxRewrite)
			want := r.live(t).Webhooks[0]
			r.policies.set("'b' in object.metadata.labels")
			r.once(t)
			for i := range want.MatchConditions {
				if c := &want.MatchConditions[i]; c.Name == matchcondition.Name {
					c.Expression = r.policies.condition.Expression
				}
			}
			want.SideEffects, want.AdmissionReviewVersions = nil, nil // as above
			got := r.live(t).Webhooks[0]
			got.SideEffects, got.AdmissionReviewVersions = nil, nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReconcile_AWebhookThatIsMissingComesBackWithItsBundle(t *testing.T) {
	o := shipped(t)
	o.Webhooks[0].Name = "other.example.com"
	o.Webhooks[0].ClientConfig.CABundle = []byte("ca")
	r := newTestReconciler(t, append(installed(), o)...)
	r.once(t)
	for _, w := range r.live(t).Webhooks {
		if string(w.ClientConfig.CABundle) != "ca" {
			t.Errorf("webhook %q has the caBundle %q", w.Name, w.ClientConfig.CABundle)
		}
	}
	if got := len(r.live(t).Webhooks); got != 2 {
		t.Errorf("there are %d webhooks, want both", got)
	}
}

func TestReconcile_ALeaderRestoresWhatItSawWhileAnotherLed(t *testing.T) {
	first := shipped(t)
	first.Webhooks[0].ClientConfig.CABundle = []byte("old")
	r := newTestReconciler(t, append(installed(), first)...)
	see := func() {
		t.Helper()
		u := newConfiguration(Mutating)
		if err := r.client.Get(t.Context(), client.ObjectKey{Name: "shmkeeper"}, u); err != nil {
			t.Fatal(err)
		}
		r.LastSeen.remember(u)
	}
	see()
	r.once(t)
	// Another leads.
	seconds := int32(7)
	r.edit(t, func(o *admissionregistrationv1.MutatingWebhookConfiguration) {
		o.Webhooks[0].ClientConfig.CABundle, o.Webhooks[0].TimeoutSeconds = []byte("new"), &seconds
	})
	see()
	// What cannot be used is not remembered.
	empty := newConfiguration(Mutating)
	r.LastSeen.remember(empty)
	if err := r.client.Delete(t.Context(), r.live(t)); err != nil {
		t.Fatal(err)
	}
	next := r.nextTerm()
	next.once(t)
	switch o := r.live(t); {
	case o == nil:
		t.Error("the configuration is not restored")
	case string(o.Webhooks[0].ClientConfig.CABundle) != "new" || *o.Webhooks[0].TimeoutSeconds != seconds:
		t.Errorf("restored with the caBundle %q and a timeout of %d s", o.Webhooks[0].ClientConfig.CABundle, *o.Webhooks[0].TimeoutSeconds)
	}
}

func TestCleanup_OnlyOfALeaderThatStops(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		stopping context.Context
		left     bool
	}{
		"it stops":         {over, false},
		"its term is over": {t.Context(), true},
	} {
		t.Run(name, func(t *testing.T) {
			objects := installed()
			r := newTestReconciler(t, objects...)
			r.CABundle = func() []byte { return []byte("ca") }
			r.once(t)
			if r.live(t) == nil {
				t.Fatal("nothing is restored")
			}
			if err := r.client.Delete(t.Context(), objects[1]); err != nil {
				t.Fatal(err)
			}
			c := &cleanup{stopping: tc.stopping, reconcilers: []*reconciler{r.reconciler}}
			if err := c.Start(over); err != nil {
				t.Fatal(err)
			}
			if left := r.live(t) != nil; left != tc.left {
				t.Errorf("the configuration is left: %v", left)
			}
		})
	}
}

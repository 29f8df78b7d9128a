package webhookconfig

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// installWithPolicy installs shmkeeper with a server that leads, and a policy "a" that is in force.
func installWithPolicy(t *testing.T) *testCluster {
	t.Helper()
	c := install(t)
	c.startServing(t)
	c.startTerm(t)
	c.create(t, policytest.AppPolicy("a", "a"))
	c.waitFor(t, "a", v1alpha1.ConditionMatchConditionCurrent, metav1.ConditionTrue)
	return c
}

// What someone edits is restored, and only that.
func TestReconciler_EditedConfiguration(t *testing.T) {
	c := installWithPolicy(t)
	live := asValidating(t, c.configuration(t, Validating))
	ignore, seconds := admissionregistrationv1.Ignore, int32(7)
	live.Webhooks = slices.DeleteFunc(live.Webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool { return w.Name == "report.pods.shmkeeper.dev" })
	for i := range live.Webhooks {
		if w := &live.Webhooks[i]; w.Name == "enforce.pods.shmkeeper.dev" {
			w.FailurePolicy, w.TimeoutSeconds = &ignore, &seconds
			w.MatchConditions = slices.DeleteFunc(w.MatchConditions, func(m admissionregistrationv1.MatchCondition) bool { return m.Name == "not-over" })
		}
	}
	if err := c.Update(t.Context(), live); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the configuration is restored", func() bool { return c.intact(t, Validating) })
	for _, w := range asValidating(t, c.configuration(t, Validating)).Webhooks {
		if w.Name == "enforce.pods.shmkeeper.dev" && *w.TimeoutSeconds != seconds {
			t.Errorf("the timeout is %d", *w.TimeoutSeconds)
		}
		if len(w.ClientConfig.CABundle) == 0 {
			t.Errorf("webhook %q has no caBundle", w.Name)
		}
	}
	c.conditionBecomes(t, func(_ string, ok bool) bool { return ok })
	c.eventBecomes(t, Validating, `shmkeeper restored its ValidatingWebhookConfiguration: failurePolicy of webhook "enforce.pods.shmkeeper.dev" was changed, `+
		`match condition "not-over" of webhook "enforce.pods.shmkeeper.dev" was changed, webhook "report.pods.shmkeeper.dev" was missing; `+
		`to change it for good start shmkeeper with --restore-webhooks=false`)
}

func TestReconciler_DeletedConfiguration(t *testing.T) {
	c := installWithPolicy(t)
	c.deleteAndAwait(t, Mutating)
	c.conditionBecomes(t, func(e string, ok bool) bool { return ok && e != "false" })
	c.eventBecomes(t, Mutating, "shmkeeper restored its MutatingWebhookConfiguration: it was deleted; to change it for good start shmkeeper with --restore-webhooks=false")
}

// Nothing is restored during a rollout.
func TestReconciler_Rollout(t *testing.T) {
	c := install(t)
	c.startServing(t)
	c.startTerm(t)
	c.deploymentStatus(t, 1)
	change := func(edit func(*admissionregistrationv1.MutatingWebhook)) {
		t.Helper()
		live := asMutating(t, c.configuration(t, Mutating))
		edit(&live.Webhooks[0])
		if err := c.Update(t.Context(), live); err != nil {
			t.Fatal(err)
		}
	}
	// Any change has it looked at again.
	wait := func(seconds int32) func(*admissionregistrationv1.MutatingWebhook) {
		return func(w *admissionregistrationv1.MutatingWebhook) { w.TimeoutSeconds = &seconds }
	}
	c.considersToRestore(t,
		func() {
			change(func(w *admissionregistrationv1.MutatingWebhook) { w.NamespaceSelector = &metav1.LabelSelector{} })
		},
		func() { change(wait(8)) })
	if live := asMutating(t, c.configuration(t, Mutating)); len(live.Webhooks[0].NamespaceSelector.MatchExpressions) > 0 {
		t.Error("the namespaceSelector is restored")
	}
	c.deploymentStatus(t, 2)
	change(wait(9))
	eventually(t, "the namespaceSelector is restored", func() bool {
		live := asMutating(t, c.configuration(t, Mutating))
		return len(live.Webhooks[0].NamespaceSelector.MatchExpressions) > 0
	})
}

// Nothing is restored once the Deployment is gone, and what was restored goes with it.
func TestReconciler_Uninstall(t *testing.T) {
	c := install(t)
	c.startServing(t)
	stop := c.startTerm(t)
	c.create(t, policytest.AppPolicy("forever", "f"))
	c.waitFor(t, "forever", v1alpha1.ConditionMatchConditionCurrent, metav1.ConditionTrue)
	c.deleteAndAwait(t, Mutating)
	t.Cleanup(func() { c.kubectl(t, "apply", "-k", "../../manifests/default") })
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shmkeeper-system", Name: "shmkeeper"}}
	if err := c.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	remove := func(o client.Object) {
		t.Helper()
		if err := c.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	c.considersToRestore(t,
		func() { remove(c.configuration(t, Validating)) },
		func() { remove(c.policy(t, "forever")) }) // another set of policies has all configurations looked at
	if c.find(t, Validating) != nil {
		t.Error("the ValidatingWebhookConfiguration is restored")
	}
	if c.find(t, Mutating) == nil {
		t.Error("the MutatingWebhookConfiguration went before the server")
	}
	stop()
	if c.find(t, Mutating) != nil {
		t.Error("the MutatingWebhookConfiguration that was restored outlives the server")
	}
}

// deleteAndAwait deletes a configuration, and waits until it is restored.
func (c *testCluster) deleteAndAwait(t *testing.T, kind string) {
	t.Helper()
	before := c.configuration(t, kind)
	if err := c.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the configuration is back", func() bool {
		o := c.find(t, kind)
		return o != nil && o.GetUID() != before.GetUID() && len(o.GetOwnerReferences()) == 1 && bytes.Equal(bundleOf(o), c.ca)
	})
}

// Nothing reports again what happens while nobody leads: the next leader has to look.
func TestReconciler_NewLeaderFindsWhatHappened(t *testing.T) {
	c := install(t)
	view := c.startServing(t)
	eventually(t, "the view is synced", view.Synced)
	p := policytest.AppPolicy("first", "a")
	c.create(t, p)
	// damage leaves one configuration edited and the other deleted, and the policy with no status.
	damage := func(seconds int32) {
		t.Helper()
		o := asValidating(t, c.configuration(t, Validating))
		for i := range o.Webhooks {
			o.Webhooks[i].TimeoutSeconds = &seconds
		}
		if err := c.Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		edited := asMutating(t, c.configuration(t, Mutating))
		edited.Webhooks[0].NamespaceSelector = &metav1.LabelSelector{}
		edited.Webhooks[0].MatchConditions = nil
		if err := c.Update(t.Context(), edited); err != nil {
			t.Fatal(err)
		}
		// What a new leader restores is what its replica saw last.
		for kind, version := range map[string]string{Validating: o.ResourceVersion, Mutating: edited.ResourceVersion} {
			eventually(t, "the replica has seen the edited configuration", func() bool {
				seen := c.lastSeen.get(kind)
				return seen != nil && seen.GetResourceVersion() == version
			})
		}
		if err := c.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		p := c.policy(t, "first")
		p.Status = v1alpha1.SharedMemoryPolicyStatus{}
		if err := c.Status().Update(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if c.find(t, Validating) != nil || c.intact(t, Mutating) || len(c.policy(t, "first").Status.Conditions) > 0 {
			t.Fatal("not all the damage is there")
		}
	}
	for seconds := int32(6); seconds <= 7; seconds++ {
		damage(seconds)
		end := c.startTerm(t)
		c.waitFor(t, "first", v1alpha1.ConditionMatchConditionCurrent, metav1.ConditionTrue)
		eventually(t, "both configurations are restored", func() bool { return c.find(t, Validating) != nil && c.intact(t, Mutating) })
		c.conditionBecomes(t, func(e string, ok bool) bool { return ok && strings.Contains(e, "l['app'] == 'a'") })
		for _, w := range asValidating(t, c.configuration(t, Validating)).Webhooks {
			if *w.TimeoutSeconds != seconds || !bytes.Equal(w.ClientConfig.CABundle, c.ca) {
				t.Errorf("webhook %q is restored with a timeout of %d s, want %d, and the caBundle %q", w.Name, *w.TimeoutSeconds, seconds, w.ClientConfig.CABundle)
			}
		}
		end()
	}
}

func asMutating(t *testing.T, o *unstructured.Unstructured) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	typed := &admissionregistrationv1.MutatingWebhookConfiguration{}
	toTyped(t, o.Object, typed)
	return typed
}

func asValidating(t *testing.T, o *unstructured.Unstructured) *admissionregistrationv1.ValidatingWebhookConfiguration {
	t.Helper()
	typed := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	toTyped(t, o.Object, typed)
	return typed
}

const restoreDelay = 500 * time.Millisecond

// conditionBecomes waits until the condition of every webhook for Pods is as wanted.
func (c *testCluster) conditionBecomes(t *testing.T, is func(expression string, found bool) bool) {
	t.Helper()
	eventually(t, "the match conditions are as they should be", func() bool {
		n := 0
		for _, kind := range Kinds() {
			o := c.find(t, kind)
			if o == nil {
				return false
			}
			for _, h := range webhooksOf(o) {
				expression, found := h.condition(matchcondition.Name)
				if !h.getsPods() {
					if found {
						t.Fatalf("webhook %q has a condition", h.name())
					}
					continue
				}
				n++
				if !is(expression, found) {
					return false
				}
			}
		}
		return n == 3
	})
}

func (c *testCluster) eventBecomes(t *testing.T, kind, note string) {
	t.Helper()
	var notes []string
	defer func() {
		if t.Failed() {
			t.Logf("events: %q", notes)
		}
	}()
	eventually(t, "there is an event", func() bool {
		var list eventsv1.EventList
		if err := c.List(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
		notes = nil
		for _, e := range list.Items {
			if e.Regarding.Kind == kind && e.Type == corev1.EventTypeWarning {
				notes = append(notes, e.Note)
			}
		}
		return slices.Contains(notes, note)
	})
}

package webhookconfig

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/internal/policystatus"
	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// TestOnAnAPIServer goes through the life of an installation: the manifests that
// ship, on a real API server, with managers that have the rights that ship. The
// steps build on each other.
func TestOnAnAPIServer(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts an API server")
	}
	c := startCluster(t)
	view := c.startServing(t)
	stop := c.startTerm(t)

	t.Run("the view knows what there was at the start", func(t *testing.T) {
		eventually(t, "the view is synced", view.Synced)
		if labels, ok := view.NamespaceLabels("team"); !ok || labels[v1alpha1.LabelMode] != "enforce" {
			t.Errorf("labels of the namespace: %v, %v", labels, ok)
		}
		if got := view.LimitRanges("team"); len(got) != 1 || got[0].Name != "limits" || len(got[0].ManagedFields) > 0 {
			t.Errorf("LimitRanges: %v", got)
		}
		if got := view.ResourceQuotas("team"); len(got) != 1 || got[0].Name != "quota" || len(got[0].ManagedFields) > 0 || len(got[0].Spec.Hard) > 0 {
			t.Errorf("ResourceQuotas: %v", got)
		}
	})

	t.Run("without policies no Pod is sent", func(t *testing.T) {
		c.conditionBecomes(t, func(e string, ok bool) bool { return ok && e == "false" })
		for _, kind := range Kinds() {
			if owners := c.configuration(t, kind).GetOwnerReferences(); len(owners) != 1 || owners[0].Kind != "Namespace" {
				t.Errorf("the owners of the %s are %v", kind, owners)
			}
		}
		c.pod(t, "before", map[string]string{"app": "a"})
		if got := c.sent(); len(got) > 0 {
			t.Errorf("sent: %q", got)
		}
	})

	t.Run("a policy that is accepted has its Pods sent, and no others", func(t *testing.T) {
		p := appPolicy("a", "a")
		c.create(t, p)
		got := c.waitFor(t, "a", v1alpha1.ConditionMatchConditionCurrent, metav1.ConditionTrue)
		if s := got.Status; s.ObservedGeneration != 1 || s.SizeLimit == nil || s.SizeLimit.String() != "256Mi" || s.MemoryCost == nil || s.MemoryCost.Cmp(*s.SizeLimit) <= 0 {
			t.Errorf("observedGeneration %d, sizeLimit %v, memoryCost %v", s.ObservedGeneration, s.SizeLimit, s.MemoryCost)
		}
		for _, condition := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionSizeSufficient} {
			if b := meta.FindStatusCondition(got.Status.Conditions, condition); b == nil || b.Status != metav1.ConditionTrue || b.ObservedGeneration != 1 {
				t.Errorf("%s: %+v", condition, b)
			}
		}
		c.pod(t, "other", map[string]string{"app": "b"})
		// The API server's own watch is what is waited for here.
		eventually(t, "a Pod of the policy is sent", func() bool {
			c.pod(t, "", map[string]string{"app": "a"})
			return slices.Contains(c.sent(), "/mutate-pods") && slices.Contains(c.sent(), "/validate-pods")
		})
		if sent := c.sent(); slices.Contains(sent, "/report-pods") {
			t.Errorf("sent: %q", sent)
		}
	})

	t.Run("the manifests see no drift", func(t *testing.T) {
		if out, err := c.plane.Kubectl(t.Context(), "diff", "-k", "../../manifests/webhooks"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := c.plane.Kubectl(t.Context(), "apply", "-k", "../../manifests/webhooks"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		c.conditionBecomes(t, func(e string, ok bool) bool { return ok && strings.Contains(e, "l['app'] == 'a'") })
	})

	t.Run("a size that fills is reported", func(t *testing.T) {
		p := appPolicy("forever", "f")
		p.Spec.Sizing = &v1alpha1.Sizing{Files: &v1alpha1.Files{CreatedPerMinute: "18", FileSize: resource.MustParse("1500")}}
		c.create(t, p)
		got := c.waitFor(t, "forever", v1alpha1.ConditionSizeSufficient, metav1.ConditionFalse)
		b := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionSizeSufficient)
		const want = "files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: " +
			"delete old files, and say by sizing.files.retention how old they get"
		if b.Reason != policystatus.ReasonNeverDeleted || b.Message != want {
			t.Errorf("the size suffices: %+v", b)
		}
	})

	t.Run("a policy that turns invalid stays in force as it was", func(t *testing.T) {
		c.update(t, "a", func(p *v1alpha1.SharedMemoryPolicy) {
			p.Spec.Match[0].PodSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "x", Operator: "Like"}}
		})
		got := c.waitFor(t, "a", v1alpha1.ConditionAccepted, metav1.ConditionFalse)
		a := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionAccepted)
		if a.Reason != policystatus.ReasonInvalid || a.ObservedGeneration != 2 || !strings.HasPrefix(a.Message, "the last version that was valid stays in force: spec.match[0].podSelector: Invalid value") {
			t.Errorf("accepted: %+v", a)
		}
		if n := len(view.Policies().Policies()); n != 2 {
			t.Errorf("%d policies are in force, want 2", n)
		}
		// What it matches cannot be written down, so every Pod is sent.
		c.conditionBecomes(t, func(e string, ok bool) bool { return ok && e == "true" })
		got = c.waitFor(t, "a", v1alpha1.ConditionMatchConditionCurrent, metav1.ConditionTrue)
		if m := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionMatchConditionCurrent); m.Reason != policystatus.ReasonEveryPodSent {
			t.Errorf("the match condition is current: %+v", m)
		}
		c.update(t, "a", func(p *v1alpha1.SharedMemoryPolicy) { p.Spec.Match[0].PodSelector.MatchExpressions = nil })
		c.waitFor(t, "a", v1alpha1.ConditionAccepted, metav1.ConditionTrue)
		c.conditionBecomes(t, func(e string, ok bool) bool { return ok && e != "true" })
	})

	t.Run("the status is not written again when nothing changes", func(t *testing.T) {
		begun := c.manager.requestCount()
		// The manager reads the second version when it is done with the first.
		for _, value := range []string{"first", "second"} {
			p := c.update(t, "a", func(p *v1alpha1.SharedMemoryPolicy) { p.Labels = map[string]string{"version": value} })
			eventually(t, "the manager has read the "+value+" version", func() bool { return c.manager.lastRead(p) == p.ResourceVersion })
		}
		if got := c.manager.writes(begun); len(got) > 0 {
			t.Errorf("the manager wrote: %q", got)
		}
	})

	t.Run("what someone edits is restored, and only that", func(t *testing.T) {
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
	})

	t.Run("what someone deletes is restored", func(t *testing.T) {
		before := c.configuration(t, Mutating)
		if err := c.Delete(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the configuration is back", func() bool {
			o := c.find(t, Mutating)
			return o != nil && o.GetUID() != before.GetUID() && len(o.GetOwnerReferences()) == 1 && bytes.Equal(bundleOf(o), c.ca)
		})
		c.conditionBecomes(t, func(e string, ok bool) bool { return ok && e != "false" })
		c.eventBecomes(t, Mutating, "shmkeeper restored its MutatingWebhookConfiguration: it was deleted; to change it for good start shmkeeper with --restore-webhooks=false")
	})

	t.Run("nothing is restored during a rollout", func(t *testing.T) {
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
	})

	t.Run("nothing is restored once the Deployment is gone, and what was restored goes with it", func(t *testing.T) {
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
	})
}

// What happens while nobody leads is told to no one again: whoever leads next has to look.
func TestANewLeaderFindsWhatHappenedWhileNobodyLed(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts an API server")
	}
	c := startCluster(t)
	view := c.startServing(t)
	eventually(t, "the view is synced", view.Synced)
	p := appPolicy("first", "a")
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

// A replica that does not lead writes no more than the caBundle.
func TestOnAnAPIServer_BundleWriter(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts an API server")
	}
	c := startCluster(t)
	mgr := c.newManager(t)
	bundle := &settableBundle{bundle: c.ca}
	w := &BundleWriter{Client: mgr.GetClient(), Bundle: bundle, Name: "shmkeeper", Service: client.ObjectKey{Namespace: "shmkeeper-system", Name: "shmkeeper-webhook"}}
	if err := w.Setup(mgr); err != nil {
		t.Fatal(err)
	}
	run(t, mgr)
	published := func(what string) {
		t.Helper()
		eventually(t, what, func() bool {
			for _, kind := range Kinds() {
				for _, w := range webhooksOf(c.configuration(t, kind)) {
					if w.calls(client.ObjectKey{Namespace: "shmkeeper-system", Name: "shmkeeper-webhook"}) != bytes.Equal(w.bundle(), bundle.CABundle()) {
						return false
					}
				}
			}
			return true
		})
	}
	edit := func(change func(*admissionregistrationv1.ValidatingWebhookConfiguration)) {
		t.Helper()
		o := asValidating(t, c.configuration(t, Validating))
		change(o)
		if err := c.Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	edit(func(o *admissionregistrationv1.ValidatingWebhookConfiguration) {
		o.Webhooks[0].ClientConfig.CABundle = nil
	})
	published("an emptied caBundle is filled")
	edit(func(o *admissionregistrationv1.ValidatingWebhookConfiguration) {
		ours, other := *o.Webhooks[0].DeepCopy(), *o.Webhooks[0].DeepCopy()
		ours.Name, ours.ClientConfig.CABundle = "new.shmkeeper.dev", nil
		other.Name, other.ClientConfig.CABundle, other.ClientConfig.Service.Name = "new.example.com", nil, "other"
		o.Webhooks = append(o.Webhooks, ours, other)
	})
	published("a webhook of our Service that is added gets the bundle, and another one does not")
	o := asMutating(t, c.configuration(t, Mutating))
	if err := c.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.ResourceVersion, o.UID, o.Webhooks[0].ClientConfig.CABundle = "", "", nil
	c.create(t, o)
	published("a configuration that is created again is filled")
	bundle.set(append(slices.Clone(c.ca), c.ca...))
	published("a bundle that changes is published")
	var list admissionregistrationv1.ValidatingWebhookConfigurationList
	if err := c.List(t.Context(), &list); err != nil || len(list.Items) != 1 || list.Items[0].Webhooks[0].SideEffects == nil {
		t.Errorf("the configurations are %v, %v", list.Items, err)
	}
}

// settableBundle is a bundle that the test changes.
type settableBundle struct {
	mu      sync.Mutex
	bundle  []byte
	changed []func()
}

// CABundle implements Bundle.
func (b *settableBundle) CABundle() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bundle
}

// FreshCABundle implements Bundle.
func (b *settableBundle) FreshCABundle(context.Context) ([]byte, error) { return b.CABundle(), nil }

// OnBundleChange implements Bundle.
func (b *settableBundle) OnBundleChange(f func()) { b.changed = append(b.changed, f) }

func (b *settableBundle) set(bundle []byte) {
	b.mu.Lock()
	b.bundle = bundle
	b.mu.Unlock()
	for _, f := range b.changed {
		f()
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

// testCluster is shmkeeper as it ships, on a control plane, with a server behind
// its Service that allows everything and notes what it is sent.
type testCluster struct {
	client.Client
	plane    *envtest.ControlPlane
	scheme   *runtime.Scheme
	ca       []byte
	view     *cluster.View
	lastSeen *LastSeen
	metrics  *Metrics
	// manager is the one that startTerm started last.
	manager *recorder

	mu    sync.Mutex
	paths []string
	n     int
}

// appPolicy is a valid policy for the Pods of one app.
func appPolicy(name, app string) *v1alpha1.SharedMemoryPolicy {
	return &v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match:  []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}},
			Sizing: &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: resource.MustParse("256Mi")}},
		},
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

func startCluster(t *testing.T) *testCluster {
	t.Helper()
	plane, err := envtest.Start(t.Context(), envtest.Options{WithoutControllerManager: true, AuditPolicy: envtest.AuditNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &testCluster{plane: plane, scheme: runtime.NewScheme()}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(c.scheme); err != nil {
			t.Fatal(err)
		}
	}
	if c.Client, err = client.New(plane.Config, client.Options{Scheme: c.scheme}); err != nil {
		t.Fatal(err)
	}
	if out, err := plane.Kubectl(t.Context(), "apply", "-k", "../../manifests/default"); err != nil {
		t.Fatal(err, out)
	}
	c.serve(t)
	c.deploymentStatus(t, 2)
	c.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", Labels: map[string]string{v1alpha1.LabelMode: "enforce"}}})
	c.create(t, &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "limits"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Gi")}}}},
	})
	c.create(t, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "quota"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("8Gi")}},
	})
	return c
}

// serve answers at the webhooks' Service, and has the API server trust it.
func (c *testCluster) serve(t *testing.T) {
	t.Helper()
	ca, key, err := cert.GenerateSelfSignedCertKey("shmkeeper-webhook.shmkeeper-system.svc", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(ca, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(c.allow))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	c.ca = ca
	c.plane.ServeService("shmkeeper-system", "shmkeeper-webhook", 443, s.Listener.Addr().String())
	for _, kind := range Kinds() {
		o := c.configuration(t, kind)
		var entries []any
		for _, w := range webhooksOf(o) {
			w.setBundle(ca)
			entries = append(entries, map[string]any(w))
		}
		o.Object["webhooks"] = entries
		if err := c.Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *testCluster) allow(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.paths = append(c.paths, r.URL.Path)
	c.mu.Unlock()
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

// sent are the paths that Pods were sent to.
func (c *testCluster) sent() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.paths {
		if strings.HasSuffix(p, "-pods") {
			out = append(out, p)
		}
	}
	return out
}

// newManager makes one with the rights of the service account.
func (c *testCluster) newManager(t *testing.T) manager.Manager {
	t.Helper()
	cfg, err := c.plane.ServiceAccount("shmkeeper-system", "shmkeeper")
	if err != nil {
		t.Fatal(err)
	}
	c.manager = &recorder{versions: map[string]string{}}
	cfg.Wrap(c.manager.wrap)
	anyName := true
	mgr, err := manager.New(cfg, manager.Options{
		Scheme: c.scheme, Cache: cluster.CacheOptions("shmkeeper"), Metrics: server.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{Unstructured: true}},
		Logger: testr.New(t), Controller: config.Controller{SkipNameValidation: &anyName},
		NewClient: c.manager.newClient,
	})
	if err != nil {
		t.Fatal(err)
	}
	return mgr
}

// run runs a manager until the end of the test, or until it is stopped.
func run(t *testing.T, mgr manager.Manager) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// startServing runs what every replica runs.
func (c *testCluster) startServing(t *testing.T) *cluster.View {
	t.Helper()
	mgr, registry := c.newManager(t), prometheus.NewRegistry()
	var err error
	if c.view, err = cluster.New(mgr, policy.Mirrors{}, registry); err != nil {
		t.Fatal(err)
	}
	if c.lastSeen, err = Watch(mgr.GetCache()); err != nil {
		t.Fatal(err)
	}
	if c.metrics, err = NewMetrics(registry); err != nil {
		t.Fatal(err)
	}
	run(t, mgr)
	return c.view
}

// startTerm runs what a leader runs until the test stops it, as a replica that stops does.
func (c *testCluster) startTerm(t *testing.T) (stop func()) {
	t.Helper()
	mgr := c.newManager(t)
	stopping, cancel := context.WithCancel(t.Context())
	condition, err := Setup(stopping, mgr, Options{
		Mutating: webhooks.Mutating(), Validating: webhooks.Validating(),
		Namespace: "shmkeeper-system", Deployment: "shmkeeper", Policies: c.view, LastSeen: c.lastSeen, Metrics: c.metrics,
		RestoreDelay: restoreDelay, Stopping: stopping,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := policystatus.Setup(mgr, c.view, condition); err != nil {
		t.Fatal(err)
	}
	end := run(t, mgr)
	return func() {
		cancel()
		end()
	}
}

func (c *testCluster) create(t *testing.T, o client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func (c *testCluster) pod(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	c.n++
	if name == "" {
		name = fmt.Sprint("pod-", c.n)
	}
	c.create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx"}}},
	})
}

func (c *testCluster) policy(t *testing.T, name string) *v1alpha1.SharedMemoryPolicy {
	t.Helper()
	p := &v1alpha1.SharedMemoryPolicy{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: name}, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// update changes a policy, and returns what the API server made of it.
func (c *testCluster) update(t *testing.T, name string, change func(*v1alpha1.SharedMemoryPolicy)) *v1alpha1.SharedMemoryPolicy {
	t.Helper()
	p := c.policy(t, name)
	before := client.MergeFrom(p.DeepCopy())
	change(p)
	if err := c.Patch(t.Context(), p, before); err != nil {
		t.Fatal(err)
	}
	return p
}

// considersToRestore damages a configuration, and returns when the manager has decided whether to restore it. again has the manager look a second time,
// which it does when it is done with the first.
func (c *testCluster) considersToRestore(t *testing.T, damage, again func()) {
	t.Helper()
	for _, act := range []func(){damage, again} {
		// It asks for the Deployment when the damage has lasted for the delay, and for nothing else.
		asked := func() int {
			return len(c.manager.sent(0, "GET /apis/apps/v1/namespaces/shmkeeper-system/deployments/shmkeeper"))
		}
		before := asked()
		act()
		eventually(t, "the manager asks whether shmkeeper is at rest", func() bool { return asked() > before })
	}
}

// recorder records what a manager reads and sends.
type recorder struct {
	mu       sync.Mutex
	requests []string
	versions map[string]string
}

// gone is the version of an object that was not found.
const gone = "gone"

// wrap records the requests that are sent to the API server.
func (r *recorder) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		r.mu.Lock()
		r.requests = append(r.requests, request.Method+" "+request.URL.Path)
		r.mu.Unlock()
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// requestCount returns how many requests were sent so far.
func (r *recorder) requestCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

// sent returns the requests that begin with a prefix, without the first ones.
func (r *recorder) sent(without int, prefix string) (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.requests[without:] {
		if strings.HasPrefix(request, prefix) {
			out = append(out, request)
		}
	}
	return out
}

// writes returns the requests that change something, without the first ones, and without Events, which are sent in the background.
func (r *recorder) writes(without int) (out []string) {
	for _, request := range r.sent(without, "") {
		if !strings.HasPrefix(request, "GET ") && !strings.Contains(request, "/events.k8s.io/") {
			out = append(out, request)
		}
	}
	return out
}

// lastRead returns the version of an object that the manager has read last from its cache.
func (r *recorder) lastRead(o client.Object) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.versions[versionKey(o, o.GetName())]
}

func versionKey(o client.Object, name string) string { return fmt.Sprintf("%T %s", o, name) }

// newClient is a client.NewClientFunc.
func (r *recorder) newClient(config *rest.Config, options client.Options) (client.Client, error) {
	c, err := client.New(config, options)
	return recordingClient{c, r}, err
}

type recordingClient struct {
	client.Client
	recorder *recorder
}

// Get implements client.Reader.
func (c recordingClient) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	err := c.Client.Get(ctx, key, o, options...)
	version := o.GetResourceVersion()
	if apierrors.IsNotFound(err) {
		version = gone
	}
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	c.recorder.versions[versionKey(o, key.Name)] = version
	return err
}

func (c *testCluster) waitFor(t *testing.T, name, condition string, status metav1.ConditionStatus) (p *v1alpha1.SharedMemoryPolicy) {
	t.Helper()
	eventually(t, fmt.Sprintf("policy %q has %s=%s", name, condition, status), func() bool {
		p = c.policy(t, name)
		got := meta.FindStatusCondition(p.Status.Conditions, condition)
		return got != nil && got.Status == status && got.ObservedGeneration == p.Generation
	})
	return p
}

// find returns a configuration, nil if there is none.
func (c *testCluster) find(t *testing.T, kind string) *unstructured.Unstructured {
	t.Helper()
	u, err := read(t.Context(), c.Client, kind, "shmkeeper")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (c *testCluster) configuration(t *testing.T, kind string) *unstructured.Unstructured {
	t.Helper()
	o := c.find(t, kind)
	if o == nil {
		t.Fatalf("there is no %s", kind)
	}
	return o
}

// intact reports whether a configuration is there, and nothing that matters of it has been changed.
func (c *testCluster) intact(t *testing.T, kind string) bool {
	t.Helper()
	text := webhooks.Validating()
	if kind == Mutating {
		text = webhooks.Mutating()
	}
	manifest, err := readManifest(text, kind, "shmkeeper-system")
	if err != nil {
		t.Fatal(err)
	}
	return len(driftOf(c.find(t, kind), manifest, false)) == 0
}

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

// deploymentStatus says, as the Deployment's controller would, how many of two
// replicas are of the newest template.
func (c *testCluster) deploymentStatus(t *testing.T, updated int32) {
	t.Helper()
	d := &appsv1.Deployment{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shmkeeper-system", Name: "shmkeeper"}, d); err != nil {
		t.Fatal(err)
	}
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 2, UpdatedReplicas: updated}
	if err := c.Status().Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

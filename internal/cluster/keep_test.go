package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/matchcondition"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// newTestKeeper is one that restores at once, over a client that has the objects.
func newTestKeeper(t *testing.T, objects ...client.Object) *keeper {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields().
		WithStatusSubresource(&v1alpha1.SharedMemoryPolicy{}).WithObjects(objects...).Build()
	return &keeper{
		kind: mutatingKind, wanted: shipped(t), client: c, direct: c, events: events.NewFakeRecorder(10),
		namespace: "shmkeeper-system", deployment: "shmkeeper", failurePolicies: true, restores: true,
		caBundle: func() []byte { return nil }, now: time.Now, ready: func() bool { return true },
		catalog: newCatalog(policy.Mirrors{}), coverage: newCoverage(mutatingKind),
	}
}

func shipped(t *testing.T) client.Object {
	t.Helper()
	o, err := readManifest(webhooks.Mutating(), mutatingKind, "shmkeeper-system")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// installed are the objects of an installation at rest.
func installed() []client.Object {
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shmkeeper-system", UID: "n"}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shmkeeper-system", Name: "shmkeeper"}, Status: appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1}},
	}
}

func asMutating(t *testing.T, o client.Object) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	m, ok := o.(*admissionregistrationv1.MutatingWebhookConfiguration)
	if !ok {
		t.Fatalf("a %T", o)
	}
	return m
}

func reconcileOnce(t *testing.T, k *keeper) reconcile.Result {
	t.Helper()
	r, err := k.Reconcile(t.Context(), reconcile.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func live(t *testing.T, k *keeper) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	o := &admissionregistrationv1.MutatingWebhookConfiguration{}
	if err := k.client.Get(t.Context(), client.ObjectKeyFromObject(k.wanted), o); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		t.Fatal(err)
	}
	return o
}

func TestKeeperWritesNothingBeforeAllPoliciesAreKnown(t *testing.T) {
	k := newTestKeeper(t, append(installed(), shipped(t))...)
	k.ready = func() bool { return false }
	reconcileOnce(t, k)
	if _, found := hooksOf(live(t, k))[0].condition(matchcondition.Name); found || k.coverage.upTo() >= 0 {
		t.Error("a condition is written")
	}
}

func TestKeeperTakesAwayAConditionThatOthersOwnToo(t *testing.T) {
	o := shipped(t)
	for _, h := range hooksOf(o) {
		*h.conditions = append(*h.conditions, admissionregistrationv1.MatchCondition{Name: matchcondition.Name, Expression: "false"})
	}
	k := newTestKeeper(t, append(installed(), o)...)
	k.catalog.put(newPolicy("any", v1alpha1.Match{PodSelector: &metav1.LabelSelector{}}))
	reconcileOnce(t, k)
	h := hooksOf(live(t, k))[0]
	if _, found := h.condition(matchcondition.Name); found {
		t.Error("the condition is still there, and holds back Pods that a policy matches")
	}
	if _, found := h.condition("not-a-mirror-pod"); !found {
		t.Error("another condition is gone")
	}
}

func TestKeeperWaitsBeforeItRestores(t *testing.T) {
	k := newTestKeeper(t, installed()...)
	k.caBundle = func() []byte { return []byte("ca") }
	k.delay = time.Minute
	now := time.Now()
	k.now = func() time.Time { return now }
	if r := reconcileOnce(t, k); r.RequeueAfter != time.Minute || live(t, k) != nil {
		t.Errorf("result %+v", r)
	}
	now = now.Add(time.Minute)
	reconcileOnce(t, k)
	if o := live(t, k); o == nil || string(caBundleOf(o)) != "ca" || len(o.OwnerReferences) != 1 {
		t.Errorf("restored: %+v", o)
	}
}

func TestKeeperRestoresNothingThatItShouldNot(t *testing.T) {
	ca := func(k *keeper) { k.caBundle = func() []byte { return []byte("ca") } }
	gone := metav1.Now()
	for name, tc := range map[string]struct {
		change  func(*keeper)
		objects []client.Object
	}{
		"when told to leave edits":             {func(k *keeper) { ca(k); k.restores = false }, installed()},
		"without a bundle to be verified by":   {func(*keeper) {}, installed()},
		"without its Deployment":               {ca, installed()[:1]},
		"without its Namespace":                {ca, installed()[1:]},
		"while its Namespace is being deleted": {ca, []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shmkeeper-system", DeletionTimestamp: &gone, Finalizers: []string{"kubernetes"}}}, installed()[1]}},
		"while its Deployment is being deleted": {ca, []client.Object{installed()[0], &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shmkeeper-system", Name: "shmkeeper", DeletionTimestamp: &gone, Finalizers: []string{"foregroundDeletion"}},
			Status:     appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newTestKeeper(t, tc.objects...)
			tc.change(k)
			reconcileOnce(t, k)
			if live(t, k) != nil {
				t.Error("the configuration is restored")
			}
		})
	}
}

func TestDamages(t *testing.T) {
	fail, exact := admissionregistrationv1.Fail, admissionregistrationv1.Exact
	url := "https://example.com"
	for name, tc := range map[string]struct {
		change func(*admissionregistrationv1.MutatingWebhook)
		want   []string
	}{
		"nothing": {func(*admissionregistrationv1.MutatingWebhook) {}, nil},
		"what is the operator's": {func(w *admissionregistrationv1.MutatingWebhook) {
			seconds, never := int32(1), admissionregistrationv1.NeverReinvocationPolicy
			w.TimeoutSeconds, w.ReinvocationPolicy, w.ClientConfig.CABundle = &seconds, &never, []byte("ca")
			w.MatchConditions = append(w.MatchConditions, admissionregistrationv1.MatchCondition{Name: "more", Expression: "true"})
		}, nil},
		"every field that matters": {func(w *admissionregistrationv1.MutatingWebhook) {
			w.ClientConfig.URL, w.ClientConfig.Service = &url, nil
			w.Rules, w.FailurePolicy, w.MatchPolicy = nil, &fail, &exact
			w.NamespaceSelector, w.ObjectSelector = &metav1.LabelSelector{}, &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
			w.MatchConditions[0].Expression = "false"
		}, []string{
			`clientConfig.service of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`rules of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`failurePolicy of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`matchPolicy of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`namespaceSelector of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`objectSelector of webhook "mutate.pods.shmkeeper.dev" was changed`,
			`match condition "not-a-mirror-pod" of webhook "mutate.pods.shmkeeper.dev" was changed`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			wanted := shipped(t)
			o := copyOf(wanted)
			tc.change(&asMutating(t, o).Webhooks[0])
			var got []string
			for _, d := range damagesOf(o, wanted, true) {
				got = append(got, d.String())
				d.repair()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if left := damagesOf(o, wanted, true); len(left) > 0 {
				t.Errorf("after the repair: %v", left)
			}
		})
	}
	t.Run("a failure policy where none matters", func(t *testing.T) {
		o := asMutating(t, shipped(t))
		o.Webhooks[0].FailurePolicy = &fail
		if got := damagesOf(o, shipped(t), false); len(got) > 0 {
			t.Errorf("damages: %v", got)
		}
	})
}

func TestReadManifest(t *testing.T) {
	for name, text := range map[string]string{
		"is of another kind": "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: shmkeeper}\n",
		"has an odd field":   "kind: MutatingWebhookConfiguration\nwebhoks: []\n",
		"has no name":        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\n",
	} {
		if _, err := readManifest([]byte(text), mutatingKind, "n"); err == nil || !strings.HasSuffix(err.Error(), "build the program anew from a clean checkout") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o, err := readManifest(webhooks.Mutating(), mutatingKind, "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	h := hooksOf(o)[0]
	if h.config.Service.Namespace != "elsewhere" || !strings.Contains(fmt.Sprint(*h.namespaceSelector), "elsewhere") {
		t.Errorf("%v, %v", h.config.Service, *h.namespaceSelector)
	}
}

func TestStatusSaysWhenPodsAreNotSent(t *testing.T) {
	p := appPolicy("a", "a")
	k := newTestKeeper(t, p)
	now := time.Now()
	w := &statusWriter{client: k.client, catalog: k.catalog, coverage: k.coverage, now: func() time.Time { return now }}
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(p)}
	step := func(wait time.Duration, status metav1.ConditionStatus) {
		t.Helper()
		r, err := w.Reconcile(t.Context(), request)
		if err != nil || r.RequeueAfter != wait {
			t.Errorf("result %+v, %v; want a wait of %s", r, err, wait)
		}
		got := &v1alpha1.SharedMemoryPolicy{}
		if err := k.client.Get(t.Context(), request.NamespacedName, got); err != nil {
			t.Fatal(err)
		}
		if c := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionMatchConditionCurrent); c == nil && status != "" || c != nil && c.Status != status {
			t.Errorf("the match condition is current: %+v, want %s", c, status)
		}
	}
	step(pollInterval, "") // it is not taken yet
	k.catalog.put(p)
	step(pollInterval, "")
	now = now.Add(2 * notSentTimeout)
	step(notSentTimeout, metav1.ConditionFalse)
	k.coverage.set(mutatingKind, 1)
	step(0, metav1.ConditionTrue)
	// The next leader does not know yet what is covered, and lets that stand.
	k.coverage.forget()
	w.begin()
	step(pollInterval, metav1.ConditionTrue)
	now = now.Add(2 * notSentTimeout)
	step(notSentTimeout, metav1.ConditionFalse)
	k.coverage.set(mutatingKind, 1)
	step(0, metav1.ConditionTrue)
	request.Name = "gone"
	if r, err := w.Reconcile(t.Context(), request); err != nil || r.RequeueAfter != 0 {
		t.Errorf("a policy that is gone: %+v, %v", r, err)
	}
}

func TestConditionsOfAPolicy(t *testing.T) {
	about := func(change func(*v1alpha1.SharedMemoryPolicy)) verdict {
		c, p := newCatalog(policy.Mirrors{}), appPolicy("a", "a")
		change(p)
		c.put(p)
		v, ok := c.about(p)
		if !ok {
			t.Fatal("there is no verdict on the policy")
		}
		return v
	}
	unchanged := func(*v1alpha1.SharedMemoryPolicy) {}
	sized := func(s *v1alpha1.Sizing) verdict {
		return about(func(p *v1alpha1.SharedMemoryPolicy) { p.Spec.Sizing = s })
	}
	small := (256 * sizing.MiB).Quantity()
	week := v1alpha1.Duration("168h")
	files := &v1alpha1.Files{CreatedPerMinute: "18", Retention: &week, FileSize: *sizing.Bytes(1500).Quantity()}
	type condition struct {
		Status          metav1.ConditionStatus
		Reason, Message string
	}
	for name, tc := range map[string]struct {
		got  metav1.Condition
		want condition
	}{
		"accepted": {accepted(about(unchanged)), condition{metav1.ConditionTrue, ReasonInForce, "the policy is in force"}},
		"accepted, invalid from the first": {accepted(about(breakIt)), condition{
			metav1.ConditionFalse, ReasonInvalid,
			`no version of the policy is in force: spec.mountPath: Invalid value: "relative": must be an absolute path without empty, . or .. parts, such as /dev/shm`,
		}},
		"the webhooks are sent its Pods": {matchConditionCurrent(about(unchanged), true), condition{
			metav1.ConditionTrue, ReasonSent, "the webhooks are sent the Pods that the policy could match",
		}},
		"the webhooks are sent every Pod": {
			matchConditionCurrent(about(func(p *v1alpha1.SharedMemoryPolicy) {
				p.Spec.Match = append(p.Spec.Match, v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{}})
			}), true),
			condition{
				metav1.ConditionTrue, ReasonEveryPodSent,
				"the webhooks are sent every Pod, since a match condition cannot tell which ones the policy matches: " +
					"give each entry of match a podSelector that asks for a label, images, tmpfsPaths or mounted",
			},
		},
		"the webhooks are not sent its Pods": {matchConditionCurrent(about(unchanged), false), condition{
			metav1.ConditionFalse, ReasonNotSent,
			"the webhook configurations may hold back Pods that the policy matches: if this lasts, read the log of shmkeeper's leader, and apply the manifests again",
		}},
		"a size, invalid from the first": {sizeSufficient(about(breakIt)), condition{
			metav1.ConditionUnknown, ReasonInvalid, "the policy gives no size: fix what the condition Accepted names",
		}},
		"no sizing": {sizeSufficient(sized(nil)), condition{
			metav1.ConditionUnknown, ReasonNotSized, "the policy has no sizing, and only checks what Pods mount: add sizing if it should give a size",
		}},
		"sized by the Pod": {
			sizeSufficient(sized(&v1alpha1.Sizing{MemoryPercent: &v1alpha1.MemoryPercent{Percent: 30}})),
			condition{metav1.ConditionUnknown, ReasonSizedByPod, "the size depends on the Pod: kubectl shm review shows it for a manifest"},
		},
		"large enough": {sizeSufficient(about(unchanged)), condition{metav1.ConditionTrue, ReasonSizeSuffices, "256Mi holds the required 256Mi"}},
		"files that are never deleted": {
			sizeSufficient(sized(&v1alpha1.Sizing{Files: &v1alpha1.Files{CreatedPerMinute: "18", FileSize: *sizing.Bytes(1500).Quantity()}})),
			condition{
				metav1.ConditionFalse, ReasonNeverDeleted, "files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: " +
					"delete old files, and say by sizing.files.retention how old they get",
			},
		},
		"cut, and it fills": {
			sizeSufficient(sized(&v1alpha1.Sizing{Files: files, Max: small})),
			condition{metav1.ConditionFalse, ReasonCutByMax, "256Mi fills after 2 d 12 h, as 717.0Mi are required: raise sizing.max, or shorten sizing.files.retention"},
		},
		"cut, of a model without files": {
			sizeSufficient(sized(&v1alpha1.Sizing{Units: &v1alpha1.Units{Each: *sizing.GiB.Quantity(), Count: v1alpha1.Count{Literal: &one}}, Max: small})),
			condition{metav1.ConditionFalse, ReasonCutByMax, "256Mi is less than the 1Gi that are required: raise sizing.max"},
		},
	} {
		if diff := cmp.Diff(tc.want, condition{tc.got.Status, tc.got.Reason, tc.got.Message}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

var one int32 = 1

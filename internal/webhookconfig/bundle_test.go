package webhookconfig

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// A replica that does not lead writes no more than the caBundle.
func TestBundleWriter_OnAnAPIServer(t *testing.T) {
	c := install(t)
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

func TestBundleWriter_BacksOffInAFight(t *testing.T) {
	o := shipped(t)
	at := time.Now()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c, bundle := fake.NewClientBuilder().WithObjects(o).Build(), &settableBundle{bundle: []byte("first")}
	r := &bundleReconciler{kind: Mutating, BundleWriter: &BundleWriter{
		Client: c, Bundle: bundle, Name: "shmkeeper", Service: client.ObjectKey{Namespace: "shmkeeper-system", Name: "shmkeeper-webhook"},
		Metrics: metrics, Now: func() time.Time { return at },
	}}
	once := func() (wait time.Duration, published bool) {
		t.Helper()
		result, err := r.Reconcile(t.Context(), reconcile.Request{})
		if err != nil {
			t.Fatal(err)
		}
		return result.RequeueAfter, bytes.Equal(bundleOf(r.live(t)), bundle.CABundle())
	}
	against := func() {
		live := r.live(t)
		entry := webhooksOf(live)[0]
		delete(entry.clientConfig(), "caBundle")
		live.Object["webhooks"] = []any{map[string]any(entry)}
		if err := c.Update(t.Context(), live); err != nil {
			t.Fatal(err)
		}
	}
	// Changes of the bundle are nobody's fight.
	for i := range 2 * freeCorrections {
		bundle.set(fmt.Append(nil, "bundle ", i))
		if wait, published := once(); wait != resync || !published {
			t.Fatalf("change %d: published %v, a wait of %s", i+1, published, wait)
		}
	}
	for i := range freeCorrections {
		against()
		if _, published := once(); !published {
			t.Fatalf("edit %d: the bundle is not published", i+1)
		}
	}
	against()
	if wait, published := once(); wait != firstWait || published {
		t.Errorf("published %v, a wait of %s, want %s", published, wait, firstWait)
	}
	at = at.Add(firstWait)
	if _, published := once(); !published {
		t.Error("after the wait the bundle is not published")
	}
	once()
	if got := testutil.ToFloat64(metrics.contested.WithLabelValues(Mutating, partBundle)); got != 1 {
		t.Errorf("the metric is %v", got)
	}
	against()
	bundle.set([]byte("last"))
	if _, published := once(); !published {
		t.Error("a new bundle waits for the end of the fight")
	}
}

func (r *bundleReconciler) live(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	u, err := read(t.Context(), r.Client, r.kind, r.Name)
	if err != nil || u == nil {
		t.Fatal(u, err)
	}
	return u
}

func TestContest_WaitsNoLongerThanItMay(t *testing.T) {
	c, now := contest{}, time.Now()
	for range 100 {
		c.corrected(now)
	}
	if got := c.wait(now); got != longestWait {
		t.Errorf("it waits %s, want %s", got, longestWait)
	}
}

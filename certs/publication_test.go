package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clienttesting "k8s.io/client-go/testing"
)

func TestBundleWriter_OwnsCABundleAndNothingElse(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev", "b.shmkeeper.dev"), validatingHooks("c.shmkeeper.dev"))
	r := c.replica(t)
	injectOrFail(t, c.injector(r))

	live, err := c.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), hooksName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := mutatingHooks("a.shmkeeper.dev", "b.shmkeeper.dev").Webhooks
	for i := range want {
		want[i].ClientConfig.CABundle = r.CABundle()
	}
	if diff := cmp.Diff(want, live.Webhooks); diff != "" {
		t.Errorf("something else than caBundle was changed: %s", diff)
	}
	owned := slices.IndexFunc(live.ManagedFields, func(f metav1.ManagedFieldsEntry) bool { return f.Manager == "shmkeeper-certs" })
	if owned < 0 {
		t.Fatal("the writer owns nothing")
	}
	hook := map[string]any{".": map[string]any{}, "f:name": map[string]any{}, "f:clientConfig": map[string]any{"f:caBundle": map[string]any{}}}
	wantOwned := map[string]any{"f:webhooks": map[string]any{`k:{"name":"a.shmkeeper.dev"}`: hook, `k:{"name":"b.shmkeeper.dev"}`: hook}}
	var gotOwned map[string]any
	if err := json.Unmarshal(live.ManagedFields[owned].FieldsV1.GetRawBytes(), &gotOwned); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantOwned, gotOwned); diff != "" {
		t.Error(diff)
	}
}

func TestBundleWriter_AbsentConfiguration(t *testing.T) {
	c := newCluster(t, validatingHooks("c.shmkeeper.dev"))
	r := c.replica(t)
	injectOrFail(t, c.injector(r))
	list, err := c.AdmissionregistrationV1().MutatingWebhookConfigurations().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) > 0 {
		t.Errorf("a configuration was created: %v %v", list, err)
	}
	yes, err := c.publication().Published(t.Context(), r.CABundle())
	if !yes || err != nil {
		t.Errorf("the one configuration that exists carries the bundle, but Published says %t, %v", yes, err)
	}
}

func TestBundleWriter_AppliesNothingTwice(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	r := c.replica(t)
	i := c.injector(r)
	injectOrFail(t, i)
	c.ClearActions()
	injectOrFail(t, i)
	injectOrFail(t, c.injector(c.replica(t)))
	if slices.ContainsFunc(c.Actions(), func(a clienttesting.Action) bool { return a.GetVerb() == "patch" }) {
		t.Error("nothing had changed, but the configuration was patched")
	}
}

// A replica that has not read the Secret for a while must not put its old bundle over the new one.
func TestBundleWriter_OlderBundle(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	fast, slow := c.replica(t), c.replica(t)
	syncOrFail(t, fast, slow)
	c.clock.Step(17 * time.Hour) // beyond two thirds of the CA's life
	syncOrFail(t, fast)
	injectOrFail(t, c.injector(fast))
	if bytes.Equal(fast.CABundle(), slow.CABundle()) {
		t.Fatal("no change of CA has begun")
	}
	injectOrFail(t, c.injector(slow))
	if !bytes.Equal(c.bundle(t), fast.CABundle()) {
		t.Error("the old bundle was published")
	}
}

// interrupted publishes something newer in between the reading and the applying of another injector.
type interrupted struct {
	*SelfManaged
	meanwhile func()
}

func (i interrupted) FreshCABundle(ctx context.Context) ([]byte, error) {
	bundle, err := i.SelfManaged.FreshCABundle(ctx)
	i.meanwhile()
	return bundle, err
}

func TestBundleWriter_OvertakenApply(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"))
	r, other := c.replica(t), c.replica(t)
	syncOrFail(t, r)
	i := c.injector(interrupted{r, func() {
		c.clock.Step(17 * time.Hour)
		syncOrFail(t, other)
		injectOrFail(t, c.injector(other))
	}})
	if err := inject(t.Context(), i); err == nil {
		t.Error("the older bundle was applied over the newer one")
	}
	if yes, err := c.publication().Published(t.Context(), other.CABundle()); !yes || err != nil {
		t.Errorf("the newer bundle is no longer published: %t, %v", yes, err)
	}
}

// TestSelfManaged_Start runs the loop itself, by the system's clock, beside one that publishes.
// What wakes that in a cluster is tested in package webhookconfig.
func TestSelfManaged_Start(t *testing.T) {
	t.Parallel() // it waits for its certificates to age
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	r := c.replica(t, func(o *Options) {
		o.Clock, o.Resync, o.Settle = nil, 20*time.Millisecond, 20*time.Millisecond
		o.CertDuration, o.CADuration = 3*time.Second, time.Minute
	})
	i := c.injector(r)
	i.Now = nil
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Start(ctx) }()
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
			if err := inject(ctx, i); err != nil && !apierrors.IsConflict(err) && ctx.Err() == nil {
				t.Logf("the bundle is not published: %v", err)
			}
		}
	})
	published := func() bool {
		yes, err := c.publication().Published(t.Context(), r.CABundle())
		return yes && err == nil
	}
	eventually(t, "the replica is ready", func() bool { return r.Ready() == nil })
	first := r.NotAfter()
	eventually(t, "the leaf is replaced", func() bool { return r.NotAfter().After(first) })

	for what, recreate := range map[string]bool{"an emptied caBundle is filled": false, "a configuration created again is filled": true} {
		c.overwriteBundle(t, recreate)
		eventually(t, what, published)
	}
	hooks := c.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	live, err := hooks.Get(t.Context(), hooksName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	live.Webhooks = append(live.Webhooks, admissionv1.ValidatingWebhook{Name: "new.shmkeeper.dev", ClientConfig: service("/new")})
	must(t)(hooks.Update(t.Context(), live, metav1.UpdateOptions{}))
	eventually(t, "a webhook that is added gets the bundle", published)

	old := r.CANotAfter()
	c.deleteSecret(t)
	eventually(t, "a deleted Secret leads to another CA", func() bool { return r.Ready() == nil && r.CANotAfter().After(old) })

	cancel()
	publishing.Wait()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !true(); {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

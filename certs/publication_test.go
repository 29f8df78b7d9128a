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

func TestWhatIsAbsentIsNeitherCreatedNorAnError(t *testing.T) {
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

func TestABundleThatIsPublishedAlreadyIsNotAppliedAgain(t *testing.T) {
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

// maxOthers is how many certificates of others a shared bundle keeps.
const maxOthers = 16

// cert-manager's injector adds its CA to the bundle. Taking it away would be answered by adding it, without end.
func TestWhatCertManagersInjectorHasAddedStays(t *testing.T) {
	begin := newCluster(t).clock.Now()
	// strangers are CAs of somebody else, each of them a minute younger than the one before.
	strangers := func(n int, from time.Time) (pem [][]byte) {
		for i := range n {
			a, err := newAuthority(from.Add(time.Duration(i)*time.Minute), 24*time.Hour, maxSkew)
			if err != nil {
				t.Fatal(err)
			}
			one, _, err := a.encode()
			if err != nil {
				t.Fatal(err)
			}
			pem = append(pem, one)
		}
		return pem
	}
	many := strangers(maxOthers+4, begin)
	stranger, other, expired := many[0], many[1], strangers(1, begin.Add(-24*time.Hour))[0]
	issuer, err := newAuthority(begin, 24*time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := issuer.sign([]string{serverName}, begin, 3*time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	served, _ := encodeLeaf(t, leaf)
	noCertificate := []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	for name, c := range map[string]struct {
		annotation string
		stays      bool
	}{
		"a CA of a Certificate": {"cert-manager.io/inject-ca-from", true},
		"a CA of a Secret":      {"cert-manager.io/inject-ca-from-secret", true},
		"the API server's CA":   {"cert-manager.io/inject-apiserver-ca", true},
		"nobody who was asked":  {"example.org/inject-ca-from", false},
	} {
		t.Run(name, func(t *testing.T) {
			hooks := mutatingHooks("a.shmkeeper.dev")
			hooks.Annotations = map[string]string{c.annotation: "true"}
			cluster := newCluster(t, hooks)
			r := cluster.replica(t)
			i := cluster.injector(r)
			injectOrFail(t, i)
			// after is what becomes of a bundle that somebody has written.
			after := func(bundle []byte) []byte {
				configurations := cluster.AdmissionregistrationV1().MutatingWebhookConfigurations()
				live, err := configurations.Get(t.Context(), hooksName, metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				live.Webhooks[0].ClientConfig.CABundle = bundle
				must(t)(configurations.Update(t.Context(), live, metav1.UpdateOptions{}))
				injectOrFail(t, i)
				if live, err = configurations.Get(t.Context(), hooksName, metav1.GetOptions{}); err != nil {
					t.Fatal(err)
				}
				return live.Webhooks[0].ClientConfig.CABundle
			}
			own := r.CABundle()
			for what, b := range map[string]struct {
				bundle []byte
				stay   [][]byte
			}{
				"what was added":         {slices.Concat(own, stranger), [][]byte{stranger}},
				"another CA alone":       {stranger, [][]byte{stranger}},
				"two in the wrong order": {slices.Concat(other, stranger), [][]byte{stranger, other}},
				"the same twice":         {slices.Concat(stranger, stranger), [][]byte{stranger}},
				"one that has expired":   {slices.Concat(expired, stranger), [][]byte{stranger}},
				"what is no CA's":        {served, [][]byte{served}},
				"too many":               {slices.Concat(many...), many[4:]},
				"no CA":                  {},
				"no PEM":                 {bundle: []byte("?")},
				"no certificate":         {bundle: noCertificate},
				"garbage beside a CA":    {slices.Concat([]byte("?\n"), noCertificate, stranger, []byte("?")), [][]byte{stranger}},
				"garbage beside both":    {slices.Concat(own, noCertificate, stranger), [][]byte{stranger}},
				"a key beside a CA":      {slices.Concat(keyOf(t, issuer), stranger), [][]byte{stranger}},
			} {
				want := own
				if c.stays {
					want = slices.Concat(own, slices.Concat(b.stay...))
				}
				if diff := cmp.Diff(string(want), string(after(b.bundle))); diff != "" {
					t.Errorf("%s: %s", what, diff)
				}
			}

			// The bundle changes while the other's CA is there, and again when that has expired.
			after(slices.Concat(own, stranger))
			for _, stays := range []bool{c.stays, false} {
				cluster.deleteSecret(t)
				syncOrFail(t, r)
				injectOrFail(t, i)
				if bytes.Equal(r.CABundle(), own) {
					t.Fatal("the bundle has not changed")
				}
				if yes, err := cluster.publication().Published(t.Context(), r.CABundle()); !yes || err != nil {
					t.Errorf("the own bundle was not published: %v", err)
				}
				live, err := cluster.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), hooksName, metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if stayed := bytes.Contains(live.Webhooks[0].ClientConfig.CABundle, stranger); stayed != stays {
					t.Errorf("after a change of the bundle, what was added stays: %t, want %t", stayed, stays)
				}
				cluster.clock.Step(25 * time.Hour)
			}
		})
	}
}

func keyOf(t *testing.T, a *authority) []byte {
	t.Helper()
	_, key, err := a.encode()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A replica that has not read the Secret for a while must not put its old bundle over the new one.
func TestAReplicaThatKnowsAnOlderBundleDoesNotPublishIt(t *testing.T) {
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

func TestAnApplyThatWasOvertakenIsAConflict(t *testing.T) {
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

// TestSelfManaged_Start runs the loop itself, by the system's clock, beside one that publishes. What wakes that in a cluster is tested in package webhookconfig.
func TestSelfManaged_Start(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	r := c.replica(t, func(o *Options) {
		o.Clock, o.Resync, o.Settle = nil, 20*time.Millisecond, 20*time.Millisecond
		o.LeafDuration, o.CADuration = 3*time.Second, time.Minute
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

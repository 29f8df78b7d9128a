package certs

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/internal/webhookconfig"
)

// maxOthers is how many certificates of others a shared bundle keeps.
const maxOthers = 16

// injectAnnotations are those by which cert-manager's injector is asked for a CA, and one that is
// not. The injector adds its CA to the bundle. Taking it away would be answered by adding it,
// without end.
var injectAnnotations = map[string]bool{
	"cert-manager.io/inject-ca-from":        true,
	"cert-manager.io/inject-ca-from-secret": true,
	"cert-manager.io/inject-apiserver-ca":   true,
	"example.org/inject-ca-from":            false,
}

// sharedBundle is a webhook configuration with an annotation, and a replica that publishes there.
type sharedBundle struct {
	*cluster
	replica  *SelfManaged
	injector *webhookconfig.BundleWriter
}

func newSharedBundle(t *testing.T, annotation string) sharedBundle {
	t.Helper()
	hooks := mutatingHooks("a.shmkeeper.dev")
	hooks.Annotations = map[string]string{annotation: "true"}
	c := newCluster(t, hooks)
	r := c.replica(t)
	s := sharedBundle{c, r, c.injector(r)}
	injectOrFail(t, s.injector)
	return s
}

func (s sharedBundle) live(t *testing.T) []byte {
	t.Helper()
	live, err := s.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), hooksName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return live.Webhooks[0].ClientConfig.CABundle
}

// after returns what happens to a bundle that somebody has written.
func (s sharedBundle) after(t *testing.T, bundle []byte) []byte {
	t.Helper()
	hooks := s.AdmissionregistrationV1().MutatingWebhookConfigurations()
	live, err := hooks.Get(t.Context(), hooksName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	live.Webhooks[0].ClientConfig.CABundle = bundle
	must(t)(hooks.Update(t.Context(), live, metav1.UpdateOptions{}))
	injectOrFail(t, s.injector)
	return s.live(t)
}

// strangers returns CAs of somebody else, each of them a minute younger than the one before.
func strangers(t *testing.T, n int, from time.Time) (all []*authority, pem [][]byte) {
	t.Helper()
	for i := range n {
		a, err := newAuthority(from.Add(time.Duration(i)*time.Minute), 24*time.Hour, maxSkew)
		if err != nil {
			t.Fatal(err)
		}
		one, _, err := a.encode()
		if err != nil {
			t.Fatal(err)
		}
		all, pem = append(all, a), append(pem, one)
	}
	return all, pem
}

func TestBundleWriter_SharedBundle(t *testing.T) {
	begin := newCluster(t).clock.Now()
	issuers, many := strangers(t, maxOthers+4, begin)
	_, old := strangers(t, 1, begin.Add(-24*time.Hour))
	stranger, other, expired := many[0], many[1], old[0]
	leaf, err := issuers[0].sign([]string{serverName}, begin, 3*time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	served, _ := encodeLeaf(t, leaf)
	noCertificate := []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	for annotation, stays := range injectAnnotations {
		t.Run(annotation, func(t *testing.T) {
			s := newSharedBundle(t, annotation)
			own := s.replica.CABundle()
			for what, b := range map[string]struct {
				bundle []byte
				stay   [][]byte
			}{
				"what was added":         {slices.Concat(own, stranger), [][]byte{stranger}},
				"another CA alone":       {stranger, [][]byte{stranger}},
				"two in the wrong order": {slices.Concat(other, stranger), [][]byte{stranger, other}},
				"the same twice":         {slices.Concat(stranger, stranger), [][]byte{stranger}},
				"one that has expired":   {slices.Concat(expired, stranger), [][]byte{stranger}},
				"what is not a CA's":     {served, [][]byte{served}},
				"too many":               {slices.Concat(many...), many[4:]},
				"no CA":                  {},
				"no PEM":                 {bundle: []byte("?")},
				"no certificate":         {bundle: noCertificate},
				"garbage beside a CA":    {slices.Concat([]byte("?\n"), noCertificate, stranger, []byte("?")), [][]byte{stranger}},
				"garbage beside both":    {slices.Concat(own, noCertificate, stranger), [][]byte{stranger}},
				"a key beside a CA":      {slices.Concat(keyOf(t, issuers[0]), stranger), [][]byte{stranger}},
			} {
				want := own
				if stays {
					want = slices.Concat(own, slices.Concat(b.stay...))
				}
				if diff := cmp.Diff(string(want), string(s.after(t, b.bundle))); diff != "" {
					t.Errorf("%s: %s", what, diff)
				}
			}
		})
	}
}

// The own bundle changes while the other's CA is there, and again when that has expired.
func TestBundleWriter_SharedBundleChanges(t *testing.T) {
	_, pem := strangers(t, 1, newCluster(t).clock.Now())
	stranger := pem[0]
	for annotation, kept := range injectAnnotations {
		t.Run(annotation, func(t *testing.T) {
			s := newSharedBundle(t, annotation)
			own := s.replica.CABundle()
			s.after(t, slices.Concat(own, stranger))
			for _, stays := range []bool{kept, false} {
				s.deleteSecret(t)
				syncOrFail(t, s.replica)
				injectOrFail(t, s.injector)
				if bytes.Equal(s.replica.CABundle(), own) {
					t.Fatal("the bundle has not changed")
				}
				if yes, err := s.publication().Published(t.Context(), s.replica.CABundle()); !yes || err != nil {
					t.Errorf("the own bundle was not published: %v", err)
				}
				if stayed := bytes.Contains(s.live(t), stranger); stayed != stays {
					t.Errorf("after a change of the bundle, what was added stays: %t, want %t", stayed, stays)
				}
				s.clock.Step(25 * time.Hour)
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

package certs

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestSelfManaged_LeafServesTheServiceNameAlone(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	r := c.replica(t)
	syncOrFail(t, r)
	injectOrFail(t, c.injector(r))
	now := c.clock.Now()
	for _, name := range ServiceNames("shmkeeper-webhook", namespace) {
		if err := handshake(r, c.bundle(t), now, func(config *tls.Config) { config.ServerName = name }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if handshake(r, c.bundle(t), now, func(config *tls.Config) { config.ServerName = "elsewhere.svc" }) == nil {
		t.Error("the leaf serves a name that is not the Service's")
	}
	if handshake(r, c.bundle(t), now, func(config *tls.Config) { config.MaxVersion = tls.VersionTLS12 }) == nil {
		t.Error("TLS 1.2 is served")
	}
	if handshake(r, c.bundle(t), now.Add(-maxSkew+time.Second)) != nil {
		t.Error("an API server whose clock is a little behind refuses the leaf")
	}
	if got, want := r.NotAfter(), now.Add(3*time.Hour); !got.Equal(want) {
		t.Errorf("the leaf ends at %s, not %s", got, want)
	}
	for key := range c.secret(t).Data {
		if key != "tls.crt" && key != "tls.key" {
			t.Errorf("the Secret has %q: the key of a leaf must not leave memory", key)
		}
	}
}

func TestSelfManaged_ReplicasShareOneCA(t *testing.T) {
	c := newCluster(t)
	replicas := make([]*SelfManaged, 8)
	var group sync.WaitGroup
	for i := range replicas {
		replicas[i] = c.replica(t)
		group.Go(func() {
			if err := replicas[i].sync(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, r := range replicas {
		if !bytes.Equal(r.CABundle(), replicas[0].CABundle()) {
			t.Error("two replicas have different bundles")
		}
		if err := handshake(r, replicas[0].CABundle(), c.clock.Now()); err != nil {
			t.Error(err)
		}
		if r != replicas[0] && r.current.Load().leaf.Leaf.Equal(replicas[0].current.Load().leaf.Leaf) {
			t.Error("two replicas serve the same leaf")
		}
	}
}

func TestSelfManaged_Ready(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	r := c.replica(t)
	ready := func(want string) {
		t.Helper()
		got := ""
		if err := r.Ready(); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	ready(`no serving certificate is loaded yet: make sure that the server may get, create and update Secret "shmkeeper-ca" in namespace "shmkeeper-system"`)
	if _, err := r.GetCertificate(nil); err == nil {
		t.Error("a certificate is served before there is one")
	}
	syncOrFail(t, r)
	ready("the webhook configurations do not carry the CA of the serving certificate yet: " +
		"make sure that the server may get, list, watch and patch them, and that nobody else sets caBundle")
	injectOrFail(t, c.injector(r))
	syncOrFail(t, r)
	ready("")
	if again := c.replica(t); again.sync(t.Context()) != nil || again.Ready() != nil {
		t.Error("a replica that comes later has to wait for what is published already")
	}
	c.clock.Step(3 * time.Hour)
	ready(`the serving certificate expired at 2026-05-01T03:00:00Z: ` +
		`make sure that the clock is right and that the server may get and update Secret "shmkeeper-ca" in namespace "shmkeeper-system"`)
	syncOrFail(t, r)
	ready("")
}

func TestSelfManaged_ReplacesLeafAfterTwoThirds(t *testing.T) {
	c := newCluster(t)
	r := c.replica(t)
	syncOrFail(t, r)
	first := r.NotAfter()
	c.clock.Step(2*time.Hour - time.Second)
	syncOrFail(t, r)
	if !r.NotAfter().Equal(first) {
		t.Error("the leaf was replaced early")
	}
	c.clock.Step(time.Second)
	syncOrFail(t, r)
	if !r.NotAfter().After(first) {
		t.Error("the leaf was not replaced")
	}
}

func TestSelfManaged_DeletedSecret(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	one, two := c.replica(t), c.replica(t)
	inject := c.injector(one)
	syncOrFail(t, one, two)
	injectOrFail(t, inject)
	syncOrFail(t, one, two)
	old := one.current.Load().issuer

	c.deleteSecret(t)
	for range 40 {
		syncOrFail(t, two, one)
		for _, r := range []*SelfManaged{one, two} {
			if err := c.connect(r, c.bundle(t)); err != nil {
				t.Fatal(err)
			}
			if err := r.Ready(); err != nil {
				t.Fatal(err)
			}
		}
		injectOrFail(t, inject)
		c.clock.Step(10 * time.Minute)
	}
	for _, r := range []*SelfManaged{one, two} {
		if v := r.current.Load(); v.issuer.Equal(old) || v.state.trusts(old) {
			t.Error("the old CA is still in use")
		}
	}
	want := []string{
		"Normal CACreated A new CA was created.",
		"Normal CABundlePublished The bundle was found in every webhook configuration.",
		"Warning CASecretRestored The Secret was missing or unreadable; it was written back from memory, and a change of CA begins.",
		"Normal CABundlePublished The bundle was found in every webhook configuration.",
		"Normal CAPromoted The next CA signs from now on; the old one stays trusted until its last leaf has expired.",
		"Normal CARetired A previous CA has left the bundle.",
	}
	if diff := cmp.Diff(want, drain(c.events.Events)); diff != "" {
		t.Error(diff)
	}
}

func drain(events chan string) []string {
	var all []string
	for {
		select {
		case event := <-events:
			all = append(all, event)
		default:
			return all
		}
	}
}

// damage is what may happen to the Secret.
func damage(t *testing.T, c *cluster) map[string]func(*corev1.Secret) {
	t.Helper()
	stranger, err := newAuthority(c.clock.Now(), time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	_, strangerKey, err := stranger.encode()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := stranger.sign([]string{"x"}, c.clock.Now(), time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	leafCert, leafKey := encodeLeaf(t, leaf)
	return map[string]func(*corev1.Secret){
		"all data is gone":                    func(s *corev1.Secret) { s.Data = nil },
		"the key is gone":                     func(s *corev1.Secret) { delete(s.Data, "tls.key") },
		"the certificate is gone":             func(s *corev1.Secret) { delete(s.Data, "tls.crt") },
		"the key is text":                     func(s *corev1.Secret) { s.Data["tls.key"] = []byte("secret text") },
		"the key is cut":                      func(s *corev1.Secret) { s.Data["tls.key"] = s.Data["tls.key"][:100] },
		"the key is another one's":            func(s *corev1.Secret) { s.Data["tls.key"] = strangerKey },
		"the key is a PEM block with garbage": func(s *corev1.Secret) { s.Data["tls.key"] = garbage("PRIVATE KEY") },
		"the certificate is garbage":          func(s *corev1.Secret) { s.Data["tls.crt"] = garbage("CERTIFICATE") },
		"the certificate is a leaf":           func(s *corev1.Secret) { s.Data["tls.crt"], s.Data["tls.key"] = leafCert, leafKey },
		"the next CA is garbage":              func(s *corev1.Secret) { s.Data["next.crt"], s.Data["next.key"] = garbage("CERTIFICATE"), []byte("x") },
		"the previous CAs are garbage":        func(s *corev1.Secret) { s.Data["previous.crt"] = []byte("x") },
		"the annotations are nonsense": func(s *corev1.Secret) {
			s.Annotations = map[string]string{publishedAnnotation: "today", previousUntilAnnotation: "tomorrow"}
		},
		"the bundle was published in the future": func(s *corev1.Secret) {
			name, _, _ := strings.Cut(s.Annotations[publishedAnnotation], " ")
			s.Annotations[publishedAnnotation] = name + " 2999-01-01T00:00:00Z"
		},
	}
}

func encodeLeaf(t *testing.T, leaf *tls.Certificate) (cert, key []byte) {
	t.Helper()
	signer, ok := leaf.PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatalf("the leaf has a key of type %T", leaf.PrivateKey)
	}
	cert, key, err := (&authority{cert: leaf.Leaf, key: signer}).encode()
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func garbage(kind string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("not what it says")})
}

func TestSelfManaged_DamagedSecret(t *testing.T) {
	names := slices.Sorted(maps.Keys(damage(t, newCluster(t))))
	for _, name := range names {
		for _, fate := range []string{"by a replica that remembers", "by a replica that has just started"} {
			t.Run(name+", "+fate, func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
				serving, repairer := c.replica(t), c.replica(t)
				syncOrFail(t, serving)
				inject := c.injector(serving)
				injectOrFail(t, inject)
				syncOrFail(t, serving)
				if fate == "by a replica that remembers" {
					syncOrFail(t, repairer)
				}
				before := slices.Concat(slices.Collect(maps.Values(c.secret(t).Data))...)
				c.setSecret(t, damage(t, c)[name])
				syncOrFail(t, repairer)

				st, err := decodeState(c.secret(t))
				if err != nil {
					t.Fatalf("the Secret was not recovered: %v", err)
				}
				if err := findDamage(c.secret(t), st); err != nil {
					t.Errorf("the Secret was left damaged: %v", err)
				}
				// The replica that was not involved is reached all the time, whichever replica publishes.
				publisher := c.injector(repairer)
				for range 40 {
					if err := c.connect(serving, c.bundle(t)); err != nil {
						t.Fatal(err)
					}
					if repairer.Ready() == nil {
						if err := c.connect(repairer, c.bundle(t)); err != nil {
							t.Fatal(err)
						}
					}
					injectOrFail(t, publisher)
					syncOrFail(t, repairer, serving)
					c.clock.Step(10 * time.Minute)
				}
				if err := repairer.Ready(); err != nil {
					t.Error(err)
				}
				noKeyIn(t, c.logs.String(), before, c.secret(t))
			})
		}
	}
}

// noKeyIn looks for any line of any key, in PEM.
func noKeyIn(t *testing.T, logs string, before []byte, after *corev1.Secret) {
	t.Helper()
	if logs == "" {
		t.Error("nothing was logged")
	}
	for _, line := range strings.Split(string(before)+string(after.Data["tls.key"])+string(after.Data["next.key"]), "\n") {
		if len(line) > 20 && !strings.HasPrefix(line, "-----") && strings.Contains(logs, line) {
			t.Errorf("the log shows %q", line)
		}
	}
	if strings.Contains(logs, "secret text") || strings.Contains(logs, "-----BEGIN") {
		t.Error("the log quotes the Secret")
	}
}

func TestSelfManaged_CAOfTheUser(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	one, two := c.replica(t), c.replica(t)
	inject := c.injector(one)
	syncOrFail(t, one, two)
	injectOrFail(t, inject)
	syncOrFail(t, one, two)

	theirs, err := newAuthority(c.clock.Now(), 240*time.Hour, maxSkew)
	if err != nil {
		t.Fatal(err)
	}
	c.setSecret(t, func(s *corev1.Secret) {
		if s.Data["tls.crt"], s.Data["tls.key"], err = theirs.encode(); err != nil {
			t.Fatal(err)
		}
	})
	for range 40 {
		syncOrFail(t, one)
		for _, r := range []*SelfManaged{one, two} {
			if err := c.connect(r, c.bundle(t)); err != nil {
				t.Fatal(err)
			}
		}
		injectOrFail(t, inject)
		syncOrFail(t, two)
		c.clock.Step(10 * time.Minute)
	}
	for _, r := range []*SelfManaged{one, two} {
		if v := r.current.Load(); !v.issuer.Equal(theirs.cert) || len(v.state.authorities()) != 1 {
			t.Error("the CA was not taken up")
		}
	}
}

func TestSelfManaged_ExpiredCA(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	syncOrFail(t, c.replica(t))
	c.clock.Step(1000 * time.Hour)
	r := c.replica(t)
	syncOrFail(t, r)
	injectOrFail(t, c.injector(r))
	syncOrFail(t, r)
	if err := r.Ready(); err != nil {
		t.Error(err)
	}
	if err := handshake(r, c.bundle(t), c.clock.Now()); err != nil {
		t.Error(err)
	}
}

func TestNewSelfManaged_InvalidOptions(t *testing.T) {
	c := newCluster(t)
	for want, edit := range map[string]func(*Options){
		"the self-managed certificates have no client: give Options.Client":                        func(o *Options) { o.Client = nil },
		"the self-managed certificates have no namespace for their Secret: give Options.Namespace": func(o *Options) { o.Namespace = "" },
		"the self-managed certificates have no name: give Options.DNSNames, for instance those of ServiceNames": func(o *Options) {
			o.DNSNames = nil
		},
		"a duration of the self-managed certificates is negative: give a positive one, or 0 for the default": func(o *Options) { o.Settle = -1 },
		"a leaf of 1m0s cannot be replaced in time when the Secret is read every 30s: give a CertDuration of at least 3m0s": func(o *Options) {
			o.CertDuration = time.Minute
		},
		"a CA of 168h0m0s leaves no time to change it before a leaf of 168h0m0s outlives it: give a CADuration of at least 504h4m30s": func(o *Options) {
			o.CADuration = 168 * time.Hour
		},
	} {
		options := Options{Client: c, Namespace: namespace, DNSNames: []string{"x"}}
		edit(&options)
		if _, err := NewSelfManaged(options); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A replica that finds no Secret, and remembers nothing, makes a CA beside the one that others serve for. It waits until every
// API server knows it; and a replica that brings the old CA back leaves the new one trusted.
func TestSelfManaged_CABesideAPublishedOne(t *testing.T) {
	c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
	publish := func(r *SelfManaged) {
		t.Helper()
		syncOrFail(t, r)
		injectOrFail(t, c.injector(r))
		syncOrFail(t, r)
	}
	old := c.replica(t)
	publish(old)
	if err := old.Ready(); err != nil {
		t.Fatalf("the first replica waits for nobody: %v", err)
	}
	c.deleteSecretIfAny(t)
	fresh := c.replica(t)
	publish(fresh)
	if err := fresh.Ready(); err == nil || !strings.Contains(err.Error(), "replaces another one") {
		t.Errorf("a replica whose CA was published just now: %v", err)
	}
	c.clock.Step(fresh.options.Settle)
	if err := fresh.Ready(); err != nil {
		t.Errorf("when every API server has read the bundle: %v", err)
	}
	c.deleteSecretIfAny(t)
	publish(old)
	for name, r := range map[string]*SelfManaged{"old": old, "fresh": fresh} {
		if err := verify(r, c.bundle(t), c.clock.Now()); err != nil {
			t.Errorf("the %s replica: %v", name, err)
		}
	}
}

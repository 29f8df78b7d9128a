package certs

import (
	"crypto/x509"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/webhookconfig"
)

// TestNoHandshakeFailsWhileCertificatesChange runs three replicas through a dozen changes of CA, with restarts, replicas that are cut off, bundles that are
// overwritten, and Secrets that are deleted, and connects to every replica that says it is ready, with the bundle that is published now. What a slow
// API server still knows must do as well; that is verified without a connection.
func TestNoHandshakeFailsWhileCertificatesChange(t *testing.T) {
	const tick = 5 * time.Minute
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev"))
		replicas := make([]*SelfManaged, 3)
		injectors := make([]*webhookconfig.BundleWriter, len(replicas))
		start := func(i int) { replicas[i] = c.replica(t); injectors[i] = c.injector(replicas[i]) }
		for i := range replicas {
			start(i)
		}
		cutOff := make([]int, len(replicas)) // ticks for which the replica reaches nothing
		var known [][]byte                   // bundles, the newest last
		connected, unready, issuers := 0, 0, map[string]bool{}
		for step := range 8 * 24 * int(time.Hour/tick) / 2 {
			c.clock.Step(tick)
			for _, i := range random.Perm(len(replicas)) {
				switch {
				case cutOff[i] > 0:
					cutOff[i]--
					continue
				case random.IntN(150) == 0:
					start(i)
				case random.IntN(60) == 0:
					cutOff[i] = random.IntN(int(5 * time.Hour / tick))
					continue
				}
				// Not every replica gets round to everything, and in any order; Resync is two ticks.
				if step%2 == i%2 || random.IntN(3) == 0 {
					syncOrFail(t, replicas[i])
				}
				if random.IntN(2) == 0 {
					injectOrFail(t, injectors[i])
				}
			}
			if random.IntN(400) == 0 {
				c.deleteSecretIfAny(t)
			}
			if random.IntN(200) == 0 {
				c.overwriteBundle(t, random.IntN(2) == 0)
				injectOrFail(t, injectors[random.IntN(len(injectors))])
			}
			known = append(known, c.bundle(t))
			slow := known[max(0, len(known)-int(20*time.Minute/tick))] // Settle
			for i, r := range replicas {
				if r.Ready() != nil {
					unready++
					continue
				}
				connected++
				issuers[fingerprint(r.current.Load().issuer)] = true
				if err := handshake(r, known[len(known)-1], c.clock.Now()); err != nil {
					t.Fatalf("seed %d, step %d, replica %d: %v\n%s", seed, step, i, err, c.logs)
				}
				if err := verify(r, slow, c.clock.Now()); err != nil {
					t.Fatalf("seed %d, step %d, replica %d, a slow API server: %v\n%s", seed, step, i, err, c.logs)
				}
			}
		}
		t.Logf("seed %d: %d connections, %d times not ready, %d CAs", seed, connected, unready, len(issuers))
		if len(issuers) < 5 {
			t.Error("too few changes of CA to show anything")
		}
	}
}

func verify(r *SelfManaged, bundle []byte, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	certificate, err := r.GetCertificate(nil)
	if err != nil {
		return err
	}
	_, err = certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: serverName, CurrentTime: at})
	return err
}

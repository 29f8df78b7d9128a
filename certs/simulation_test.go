package certs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/webhookconfig"
)

// seeds returns how many histories are simulated: one, or SHMKEEPER_SEEDS, by which CI asks for more.
func seeds(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SHMKEEPER_SEEDS")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		t.Fatalf("SHMKEEPER_SEEDS: %q is not a number of histories: set it to 1 or more", text)
	}
	return n
}

// TestSelfManaged_NoHandshakeFails runs three replicas through a dozen changes of CA, with
// restarts, replicas that are cut off, bundles that are overwritten, and Secrets that are deleted,
// and connects to every replica that says it is ready, with the bundle that is published now. What
// a slow API server still knows must do as well; that is verified without a connection.
func TestSelfManaged_NoHandshakeFails(t *testing.T) {
	for seed := range seeds(t) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { t.Parallel(); simulate(t, seed) })
	}
}

const tick = 5 * time.Minute

// simulation is a cluster and what its replicas have been through.
type simulation struct {
	*cluster
	random    *rand.Rand
	replicas  [3]*SelfManaged
	injectors [3]*webhookconfig.BundleWriter
	cutOff    [3]int // ticks for which the replica reaches nothing
}

func (s *simulation) start(t *testing.T, i int) {
	s.replicas[i] = s.replica(t)
	s.injectors[i] = s.injector(s.replicas[i])
}

// run lets a tick's work happen, in any order. Not every replica gets round to everything; Resync is two ticks.
func (s *simulation) run(t *testing.T, step int) {
	for _, i := range s.random.Perm(len(s.replicas)) {
		switch {
		case s.cutOff[i] > 0:
			s.cutOff[i]--
			continue
		case s.random.IntN(150) == 0:
			s.start(t, i)
		case s.random.IntN(60) == 0:
			s.cutOff[i] = s.random.IntN(int(5 * time.Hour / tick))
			continue
		}
		if step%2 == i%2 || s.random.IntN(3) == 0 {
			syncOrFail(t, s.replicas[i])
		}
		if s.random.IntN(2) == 0 {
			injectOrFail(t, s.injectors[i])
		}
	}
	if s.random.IntN(400) == 0 {
		s.deleteSecretIfAny(t)
	}
	if s.random.IntN(200) == 0 {
		s.overwriteBundle(t, s.random.IntN(2) == 0)
		injectOrFail(t, s.injectors[s.random.IntN(len(s.injectors))])
	}
}

func simulate(t *testing.T, seed uint64) {
	s := &simulation{
		cluster: newCluster(t, mutatingHooks("a.shmkeeper.dev"), validatingHooks("b.shmkeeper.dev")),
		random:  rand.New(rand.NewPCG(seed, 1)),
	}
	for i := range s.replicas {
		s.start(t, i)
	}
	var known [][]byte // bundles, the newest last
	connected, unready, issuers := 0, 0, map[string]bool{}
	for step := range 8 * 24 * int(time.Hour/tick) / 2 {
		s.clock.Step(tick)
		s.run(t, step)
		known = append(known, s.bundle(t))
		slow := known[max(0, len(known)-int(20*time.Minute/tick))] // Settle
		for i, r := range s.replicas {
			if r.Ready() != nil {
				unready++
				continue
			}
			connected++
			issuers[fingerprint(r.current.Load().issuer)] = true
			if err := s.connect(r, known[len(known)-1]); err != nil {
				t.Fatalf("step %d, replica %d: %v\n%s", step, i, err, s.logs)
			}
			if err := verify(r, slow, s.clock.Now()); err != nil {
				t.Fatalf("step %d, replica %d, a slow API server: %v\n%s", step, i, err, s.logs)
			}
		}
	}
	t.Logf("%d connections, %d times not ready, %d CAs", connected, unready, len(issuers))
	if len(issuers) < 5 {
		t.Error("too few changes of CA to show anything")
	}
}

//go:build chaos && linux

package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

var (
	seed    = flag.Uint64("seed", 0, "of the order of the scenarios; 0 for another one each time")
	minutes = flag.Float64("minutes", 0, "how long scenarios go on at random, once all have had a turn")
	pattern = flag.String("scenarios", "", "a regular expression: which scenarios to run; all if empty")
	short   = flag.Bool("short", false, "leave out long scenarios, and shorten the life of certificates")
	update  = flag.Bool("update", false, "write the table of docs/explanation/resilience.md")
)

// scenario is something that goes wrong, and what it may cause.
type scenario struct {
	name string
	long bool // left out of the short form
	led  bool // it needs a replica that leads, as it is about what the leader writes
	allowance
	// fault does the damage, and returns when it is over and nothing but time is needed.
	fault func(*testing.T, *harness)
	// signs are how the fault shows in logs and metrics.
	signs []sign
}

// shownWithin is how soon after a recovery the signs of a fault are there.
const shownWithin = 20 * time.Second

// sign is something that logs, metrics or the API server say of a fault.
type sign func(*testing.T, *harness, beginning) error

// beginning is how things were before a scenario.
type beginning struct {
	at        time.Time
	marks     marks
	apiServer samples
	replicas  map[string]samples // by name
}

// row is a row of the table.
type row struct {
	scenario *scenario
	figures
	usage usage
}

func allScenarios(t *testing.T) []scenario {
	memory := memoryScenarios
	if err := memoryCgroups(); err != nil {
		t.Logf("%d scenarios of memory limits are left out, as memory cgroups cannot be made here: %v", len(memory), err)
		memory = nil
	}
	return slices.Concat(replicaScenarios, controlPlaneScenarios, policyScenarios, configurationScenarios,
		certificateScenarios, clockScenarios, resourceScenarios, memory, reviewScenarios)
}

func TestChaos(t *testing.T) {
	ctrllog.SetLogger(logr.Discard()) // or controller-runtime prints a stack about it
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	random := rand.New(rand.NewPCG(*seed, 0))
	wanted, err := regexp.Compile(*pattern)
	if err != nil {
		t.Fatalf("-scenarios: %v", err)
	}
	scenarios := slices.DeleteFunc(allScenarios(t), func(s scenario) bool {
		return *short && s.long || !wanted.MatchString(s.name)
	})
	if len(scenarios) == 0 {
		t.Fatalf("-scenarios: no scenario matches %q", *pattern)
	}
	t.Logf("%d scenarios; to repeat their order: make chaos SEED=%d", len(scenarios), *seed)
	certificates := lives{leaf: time.Minute, settle: time.Second, resync: 500 * time.Millisecond}
	if *short {
		certificates.leaf = 12 * time.Second
	}
	h := newHarness(t, certificates)
	h.random = random
	h.wantPlantedViolationSeen(t)
	h.begin(t)
	rows := map[string][]row{}
	run := func(s *scenario) (over bool) {
		t.Run(s.name, func(t *testing.T) {
			rows[s.name] = append(rows[s.name], h.run(t, s))
			over = true
		})
		return over
	}
	start := time.Now()
	for _, i := range random.Perm(len(scenarios)) {
		if !run(&scenarios[i]) {
			return // what follows would meet what is left of it
		}
	}
	for time.Since(start).Minutes() < *minutes {
		if !run(&scenarios[random.IntN(len(scenarios))]) {
			return
		}
	}
	text := table(scenarios, rows)
	t.Logf("%.1f minutes, %d Pods, seed %d\n%s", time.Since(start).Minutes(), h.stream.count.Load(), *seed, text)
	if *update && !t.Failed() {
		if err := docs.Write(filepath.Join("..", "..", "docs", "explanation", "resilience.md"), text); err != nil {
			t.Fatal(err)
		}
	}
}

// wantPlantedViolationSeen wants the checker to find a Pod that violates a policy in force, as the
// ledger has it. The API server stores it, since shmkeeper is not installed yet.
func (h *harness) wantPlantedViolationSeen(t *testing.T) {
	t.Helper()
	k := kind{name: "planted", mode: "enforce", policy: "planted", disk: true}
	p := fixedPolicy(k.policy, "podSelector: {matchLabels: {app: planted}}", steadySize)
	h.ledger.record(p.Name).demands = []demand{{time.Now(), []need{{128 * mib}}}}
	c := h.stream.create(k)
	if c.outcome != admitted {
		t.Fatalf("the Pod that is to violate a policy was not created: %s", c.message)
	}
	eventually(t, func() error { return h.checker.unseen([]creation{*c}) })
	got := h.checker.take()
	want := regexp.MustCompile(`^planted-\d+: it is stored, was begun at \S+, and violates policy "planted", which was in force: it lacks a Memory emptyDir$`)
	if len(got) != 1 || !want.MatchString(got[0]) {
		t.Fatalf("the checker found %q, want one match of %s", got, want)
	}
}

// run runs a scenario, and fails the test if an invariant did not hold.
func (h *harness) run(t *testing.T, s *scenario) row {
	if s.led {
		h.waitLed(t)
	}
	before := h.observe(t)
	h.unjudged = 0
	s.fault(t, h)
	end := time.Now()
	recovery := h.waitRecovered(t, end)
	for _, sign := range s.signs {
		if err := poll(t.Context(), shownWithin, func() error { return sign(t, h, before) }); err != nil {
			t.Error(err)
		}
	}
	h.stream.pause()
	creations := h.stream.since(before.at)
	eventually(t, func() error { return h.checker.unseen(creations) })
	for i := range creations {
		c := &creations[i]
		c.overtaken = c.kind.guarded() && len(h.ledger.during(c.kind.policy, c.begin, c.end)) != 1
	}
	if excused := markStalls(creations); excused > 0 {
		t.Logf("%d Pods were not created when this machine was too busy for any", excused)
	}
	f, faults := summarize(creations, recovery, s.allowance)
	for _, fault := range append(faults[:min(len(faults), 10)], h.checker.take()...) {
		t.Error(fault)
	}
	if len(faults) > 10 {
		t.Errorf("and %d more", len(faults)-10)
	}
	f.recovery, f.unjudged = recovery.Sub(end), h.unjudged
	r := row{s, f, h.wantNoLeak(t)}
	h.stream.forget(before.at)
	h.stream.resume()
	t.Logf("%d Pods created, %d rejected within %s, not judged for %s, recovered in %s; a replica holds at most %s",
		f.created, f.rejected, human(f.outage), human(f.unjudged), human(f.recovery), r.usage)
	return r
}

// observe returns how things are before a scenario.
func (h *harness) observe(t *testing.T) beginning {
	t.Helper()
	b := beginning{at: time.Now(), marks: h.mark(t), replicas: map[string]samples{}}
	var err error
	if b.apiServer, err = h.apiServerMetrics(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range h.replicas {
		if b.replicas[r.name], err = h.metrics(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// waitRecovered returns since when all goes well, after a time.
func (h *harness) waitRecovered(t *testing.T, after time.Time) (since time.Time) {
	t.Helper()
	eventually(t, func() error {
		creations := h.stream.since(after)
		var ok bool
		if since, ok = recovered(creations, after); ok {
			return nil
		}
		last := creation{}
		for i := range creations {
			if creations[i].begin.After(last.begin) {
				last = creations[i]
			}
		}
		return fmt.Errorf("not recovered after %s; the last of %d creations is %q, %s: %s",
			human(time.Since(after)), len(creations), last.name, last.outcome, last.message)
	})
	return since
}

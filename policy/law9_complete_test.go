package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Law 9: complete, independent of order, and without a trace where nothing applies.

func plainPodIsFixed(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.below, weights.skipped, weights.node, weights.device = 0, 0, 0, 0, 0
	weights.remount, weights.overrides, weights.crio, weights.guess, weights.noSizing = 0, 0, 0, 7, 0
	weights.texts = 8
	weights.onlyMem, weights.podLevel = 1, 6
	w := genWorld(t, weights)
	p := w.policies[0]
	p.Spec.Mode, p.Spec.Mutation = v1alpha1.Enforce, ""
	e, after := w.evaluate(t)
	if len(w.entries(p)) == 0 || invalid(w.pod) != "" {
		return
	}
	if e.Outcome != policy.Mutated {
		t.Fatalf("a plain Pod is not fixed: %s", w.told(&e))
	}
	writers, m := w.writers(p), modelOf(p)
	for _, c := range notEphemeral(after) {
		if !writers[c.Name] {
			continue
		}
		mounts := mountsAt(c, mountPathOf(p))
		if len(mounts) != 1 {
			t.Fatalf("writer %q has %d mounts\n%s", c.Name, len(mounts), w.told(&e))
		}
		size := sizeLimit(memoryVolume(after, mounts[0].Name))
		if size%mib != 0 || size < m.least || size > max(m.most, runtimeShm) {
			t.Fatalf(
				"writer %q gets %d, not whole MiB from %d to %d\n%s",
				c.Name,
				size,
				m.least,
				m.most,
				w.told(&e),
			)
		}
		want := int64(0)
		if required, ok := w.required(p); ok {
			want = m.limit(required)
			if mountPathOf(p) == "/dev/shm" {
				want = max(want, runtimeShm)
			}
			if size != want {
				t.Fatalf("writer %q gets %d, want %d\n%s", c.Name, size, want, w.told(&e))
			}
		}
		if diff := cmp.Diff(bindOptions(p), mounts[0].BindMountOptions); diff != "" {
			t.Fatalf("mount options: %s", diff)
		}
	}
	s := p.Spec.Sizing
	r.Count(t, "fixed", s.Fixed != nil)
	r.Count(t, "files", s.Files != nil)
	r.Count(t, "memoryPercent", s.MemoryPercent != nil)
	r.Count(t, "units", s.Units != nil)
	r.Count(t, "a guess", w.guessed(p))
	r.Count(t, "pod-level figures", w.pod.Spec.Resources != nil)
	r.Count(t, "several containers", len(notEphemeral(w.pod)) > 2)
}

func bindOptions(p *v1alpha1.SharedMemoryPolicy) []string {
	var out []string
	for _, o := range p.Spec.BindMountOptions {
		out = append(out, string(o))
	}
	return out
}

func TestEvaluate_PlainPodIsFixed(t *testing.T) { check(t, plainPodIsFixed) }
func FuzzLaw9(f *testing.F)                     { fuzz(f, plainPodIsFixed) }

// The policy that decides is the one that the oracle finds by walking over all of them; their order
// does not matter, and nothing that is given is changed.
func orderAndInput(t *rapid.T, r *reached) {
	weights := usual
	weights.policies, weights.limitRange, weights.quota, weights.skipped = 12, 3, 3, 0
	w := genWorld(t, weights)
	before := w.pod.DeepCopy()
	text, err := json.Marshal(w.pod)
	if err != nil {
		t.Fatal(err)
	}
	e, after := w.evaluate(t)
	if diff := cmp.Diff(before, w.pod); diff != "" {
		t.Fatalf("the Pod was changed:\n%s", diff)
	}
	first, second := w.deciding()
	switch {
	case first == nil:
		now, err := json.Marshal(after)
		if err != nil {
			t.Fatal(err)
		}
		if e.Outcome != policy.NotMatched || e.Policy != "" || !e.Plan.Empty() ||
			len(e.Before)+len(e.After)+len(e.Warnings) > 0 ||
			!bytes.Equal(text, now) {
			t.Fatalf("no policy matches, and yet %s\n%s\n%s", w.told(&e), text, now)
		}
	case e.Outcome == policy.NotMatched || e.Policy != first.Name:
		t.Fatalf("policy %q decides, not %s", first.Name, w.told(&e))
	case e.Mode != first.Spec.Mode && !(first.Spec.Mode == "" && e.Mode == v1alpha1.Enforce):
		t.Fatalf("mode %q of a policy in %q", e.Mode, first.Spec.Mode)
	case second != nil && e.Outcome != policy.Exempt && e.Outcome != policy.Skipped &&
		!slices.ContainsFunc(e.Warnings, func(text string) bool { return strings.Contains(text, fmt.Sprintf("%q", second.Name)) }):
		t.Fatalf("no warning names policy %q, which matches too\n%s", second.Name, w.told(&e))
	}
	if (e.Outcome == policy.Mutated) != !e.Plan.Empty() {
		t.Fatalf("a plan that is empty: %t\n%s", e.Plan.Empty(), w.told(&e))
	}
	if e.Outcome == policy.Violating && len(e.After) == 0 ||
		e.Outcome == policy.Compliant && len(e.Before) > 0 {
		t.Fatalf("outcome and violations contradict each other\n%s", w.told(&e))
	}
	if e.Outcome != policy.NotMatched && (e.Reason == "" || e.Detail == "") {
		t.Fatalf("no reason or no detail\n%s", w.told(&e))
	}
	other := *w
	other.policies = rapid.Permutation(w.policies).Draw(t, "order")
	again, _ := other.evaluate(t)
	if diff := cmp.Diff(e, again, exported); diff != "" {
		t.Fatalf("-one order +another:\n%s", diff)
	}
	r.Count(t, "no policy matches", first == nil)
	r.Count(t, "one policy matches", first != nil && second == nil)
	r.Count(t, "several policies match", second != nil)
	r.Count(t, "the name decides", second != nil && first.Spec.Priority == second.Spec.Priority)
	r.Count(t, "mutated", e.Outcome == policy.Mutated)
	r.Count(t, "violating", e.Outcome == policy.Violating)
}

func TestEvaluate_OrderAndInput(t *testing.T) { check(t, orderAndInput) }
func FuzzLaw9Order(f *testing.F)              { fuzz(f, orderAndInput) }

// Sizes grow with the rate, the retention, the size of a file and the certainty that is asked for,
// within the bounds of the policy.
func sizesAreMonotone(t *rapid.T, r *reached) {
	rates := ordered(t, "rate", 1, 1_000_000)
	hours := ordered(t, "retention", 1, 10_000)
	sizes := ordered(t, "file size", 1, 1<<20)
	exponents := ordered(t, "certainty", 1, 12)
	batches := rapid.Int32Range(1, 1000).Draw(t, "batch")
	percent := rapid.Int32Range(0, 1000).Draw(t, "headroom")
	least, most := int64(64), pick[int64](t, "max", 1<<20, 4096, 256)
	of := func(i, j, k, l int) int64 {
		p := filesPolicy(
			fmt.Sprintf("%d.%03d", rates[i]/1000, rates[i]%1000),
			fmt.Sprintf("%dh", hours[j]),
			fmt.Sprint(sizes[k]),
			fmt.Sprintf("%dMi", most),
			fmt.Sprintf("1e-%d", exponents[l]),
		)
		p.Spec.Sizing.Files.Batch, p.Spec.Sizing.HeadroomPercent = &batches, &percent
		w := &world{policies: []*v1alpha1.SharedMemoryPolicy{p}, pod: podWithVolume("")}
		e, after := w.evaluate(t)
		if e.Outcome != policy.Mutated {
			t.Fatalf("a plain Pod is not fixed: %s", w.told(&e))
		}
		size := sizeLimit(after.Spec.Volumes[0].EmptyDir)
		if size%mib != 0 || size < least*mib || size > most*mib {
			t.Fatalf("size %d is not whole MiB from %dMi to %dMi", size, least, most)
		}
		return size
	}
	low := of(0, 0, 0, 0)
	grows, stays := false, false
	for name, high := range map[string]int64{"rate": of(1, 0, 0, 0), "retention": of(0, 1, 0, 0), "file size": of(0, 0, 1, 0), "certainty": of(0, 0, 0, 1)} {
		if high < low {
			t.Fatalf("with a higher %s the size falls from %d to %d", name, low, high)
		}
		grows, stays = grows || high > low, stays || high == low
	}
	r.Count(t, "it grows", grows)
	r.Count(t, "it stays", stays)
	r.Count(t, "it is at max", low == most*mib)
	r.Count(t, "it is between the bounds", low < most*mib && low > least*mib)
}

func ordered(t *rapid.T, label string, least, most int) [2]int {
	a := rapid.IntRange(least, most).Draw(t, label)
	return [2]int{a, rapid.IntRange(a, most).Draw(t, label+" or more")}
}

func TestEvaluate_SizesAreMonotone(t *testing.T) { check(t, sizesAreMonotone) }

// filesPolicy returns a policy of the files model. Empty texts are left to the defaults.
func filesPolicy(rate, retention, fileSize, most, probability string) *v1alpha1.SharedMemoryPolicy {
	f := &v1alpha1.Files{
		CreatedPerMinute:    rate,
		FileSize:            resource.MustParse(fileSize),
		OverflowProbability: probability,
	}
	if retention != "" {
		f.Retention = ptr(v1alpha1.Duration(retention))
	}
	p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: "files"}}
	p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	p.Spec.Sizing = &v1alpha1.Sizing{Files: f}
	if most != "" {
		p.Spec.Sizing.Max = quantity(most)
	}
	return p
}

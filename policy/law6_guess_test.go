package policy_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Law 6: a guess shrinks nothing and refuses nothing.

func guessHarmsNothing(t *rapid.T, r *reached) {
	weights := usual
	weights.guess, weights.texts, weights.at, weights.noSizing, weights.named = 11, 12, 8, 0, 2
	weights.skipped, weights.remount, weights.otherPath, weights.nothing = 0, 1, 2, 1
	w := genWorld(t, weights)
	p := w.policies[0]
	p.Spec.Mode, p.Spec.Mutation = v1alpha1.Enforce, ""
	if odds(t, "the administrator's word", 4) {
		p.Spec.Match = append(
			p.Spec.Match,
			v1alpha1.Match{
				PodSelector: &metav1.LabelSelector{},
				TmpfsPaths:  v1alpha1.TmpfsPathsDetect,
			},
		)
	}
	e, after := w.evaluate(t)
	if len(w.entries(p)) == 0 {
		return
	}
	guess := w.guessed(p)
	if e.Guess != guess {
		t.Fatalf("a guess: %t, want %t\n%s", e.Guess, guess, w.told(&e))
	}
	added, refused := false, e.Outcome == policy.Violating
	if guess {
		for i, v := range w.pod.Spec.Volumes {
			if diff := equal(v, after.Spec.Volumes[i]); diff != "" {
				t.Fatalf("a guess changes volume %q:\n%s%s", v.Name, diff, w.told(&e))
			}
		}
		added = len(after.Spec.Volumes) > len(w.pod.Spec.Volumes)
		if diff := equal(w.pod, after); diff != "" && !added {
			t.Fatalf("a guess changes a Pod without adding a volume:\n%s%s", diff, w.told(&e))
		}
		if len(e.Before) > 0 || len(e.After) > 0 || refused {
			t.Fatalf("a guess refuses\n%s", w.told(&e))
		}
	}
	mounted := slices.ContainsFunc(notEphemeral(w.pod), func(c *corev1.Container) bool {
		return w.writers(p)[c.Name] && len(mountsAt(c, mountPathOf(p))) > 0
	})
	r.Count(t, "a guess", guess)
	r.Count(t, "a guess adds a volume", guess && added)
	r.Count(t, "a guess meets a volume", guess && mounted)
	r.Count(t, "not a guess", !guess)
	r.Count(
		t,
		"paths and something else",
		!guess &&
			slices.ContainsFunc(
				w.entries(p),
				func(m *v1alpha1.Match) bool { return m.TmpfsPaths != "" },
			),
	)
	r.Count(t, "what is not a guess is refused", !guess && refused)
}

func TestEvaluate_GuessHarmsNothing(t *testing.T) { check(t, guessHarmsNothing) }
func FuzzLaw6(f *testing.F)                       { fuzz(f, guessHarmsNothing) }

package policy_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Law 2: nothing gets smaller.

func neverSmaller(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.wild, weights.crio, weights.nothing, weights.skipped = 9, 0, 8, 1, 0
	weights.odd, weights.twice, weights.unbounded, weights.noSizing, weights.guess = 0, 0, 10, 0, 0
	weights.init, weights.sidecar, weights.second, weights.device, weights.remount = 3, 2, 4, 0, 1
	weights.overrides, weights.named, weights.otherPath, weights.beside = 0, 3, 2, 1
	w := genWorld(t, weights)
	if odds(t, "any Pod", 11) {
		w.policies[0].Spec.Match = append(
			w.policies[0].Spec.Match,
			v1alpha1.Match{PodSelector: &metav1.LabelSelector{}},
		)
	}
	w.policies[0].Spec.Mutation = ""
	w.policies[0].Spec.Existing = pick(
		t,
		"existing",
		v1alpha1.ExistingSetLimit,
		v1alpha1.ExistingSetLimit,
		v1alpha1.ExistingEnlarge,
		v1alpha1.ExistingLeave,
	)
	e, after := w.evaluate(t)
	p, _ := w.deciding()
	if p == nil {
		return
	}
	mountPath := mountPathOf(p)
	larger, setLimit := false, false
	for i, v := range w.pod.Spec.Volumes {
		now := after.Spec.Volumes[i]
		was, is := sizeLimit(v.EmptyDir), sizeLimit(now.EmptyDir)
		if was > 0 && is < was {
			t.Fatalf("the sizeLimit of %q falls from %d to %d\n%s", v.Name, was, is, w.told(&e))
		}
		if was == 0 && is > 0 {
			if existingOf(p) != v1alpha1.ExistingSetLimit {
				t.Fatalf(
					"%q gets a sizeLimit under existing: %s\n%s",
					v.Name,
					existingOf(p),
					w.told(&e),
				)
			}
			setLimit = true
			if bound := podLimit(w.pod); bound > 0 && !saysSize(e.Detail, bound) {
				t.Fatalf("the message does not say that it was up to %d\n%s", bound, w.told(&e))
			}
			if !saysSize(e.Detail, is) {
				t.Fatalf("the message does not name the new size %d\n%s", is, w.told(&e))
			}
		}
		larger = larger || is > was && was > 0
		if now.EmptyDir != nil && v.EmptyDir != nil {
			now.EmptyDir = now.EmptyDir.DeepCopy()
			now.EmptyDir.SizeLimit = v.EmptyDir.SizeLimit
		}
		if diff := equal(v, now); diff != "" {
			t.Fatalf("volume %q becomes another:\n%s", v.Name, diff)
		}
	}
	added := false
	for _, c := range notEphemeral(w.pod) {
		now := container(after, c.Name)
		added = added || len(now.VolumeMounts) > len(c.VolumeMounts)
		was, known := effective(w.pod, c, mountPath)
		if !known {
			continue
		}
		is, stillKnown := effective(after, now, mountPath)
		if unbounded := existingOf(p) == v1alpha1.ExistingSetLimit && slices.ContainsFunc(mountsAt(c, mountPath), func(m corev1.VolumeMount) bool {
			e := memoryVolume(w.pod, m.Name)
			return e != nil && sizeLimit(e) == 0
		}); unbounded {
			continue
		}
		if !stillKnown || is < was {
			t.Fatalf(
				"%q finds %d bytes at %s, and %d afterwards\n%s",
				c.Name,
				was,
				mountPath,
				is,
				w.told(&e),
			)
		}
	}
	r.Count(t, "a volume is added", added)
	r.Count(t, "a volume is enlarged", larger)
	r.Count(t, "an unbounded volume gets a limit", setLimit)
	r.Count(
		t,
		"CRI-O's annotation asks for more than the policy",
		added && crioSize(w.pod) > 64*mib,
	)
	r.Count(t, "the Pod's memory limit bounds what is mounted", added && podLimit(w.pod) > 0)
	r.Count(t, "a volume is left that is larger than needed", e.Outcome == policy.Compliant)
}

// saysSize reports whether a message names a size: exactly, or to a tenth of a unit.
func saysSize(message string, size int64) bool {
	return slices.ContainsFunc(strings.Fields(message), func(word string) bool {
		word = strings.TrimRight(word, ",:;")
		q, err := resource.ParseQuantity(word)
		if err != nil {
			return false
		}
		off := max(q.Value()-size, size-q.Value())
		return off == 0 || strings.Contains(word, ".") && off <= size/10
	})
}

func TestEvaluate_NeverSmaller(t *testing.T) { check(t, neverSmaller) }
func FuzzLaw2(f *testing.F)                  { fuzz(f, neverSmaller) }

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

// genMounted makes a Pod that mounts volumes of every size, or has CRI-O's annotation, under a policy
// that handles what is mounted in every way but Require.
func genMounted(t *rapid.T) *world {
	weights := usual
	weights.at, weights.wild, weights.crio, weights.nothing, weights.skipped = 10, 0, 10, 1, 0
	weights.odd, weights.twice, weights.unbounded, weights.noSizing, weights.guess = 0, 0, 8, 0, 0
	weights.init, weights.sidecar, weights.second, weights.device, weights.remount = 3, 2, 4, 0, 1
	weights.overrides, weights.named, weights.otherPath, weights.beside = 0, 3, 2, 1
	w := genWorld(t, weights)
	s := &w.policies[0].Spec
	if odds(t, "any Pod", 11) {
		s.Match = append(s.Match, v1alpha1.Match{PodSelector: &metav1.LabelSelector{}})
	}
	s.Mutation = ""
	s.Existing = pick(t, "existing", v1alpha1.ExistingSetLimit, v1alpha1.ExistingSetLimit,
		v1alpha1.ExistingEnlarge, v1alpha1.ExistingLeave)
	return w
}

// shrinking is an evaluation with what law 2 says about it.
type shrinking struct {
	*world
	e        evaluation
	after    *corev1.Pod
	policy   *v1alpha1.SharedMemoryPolicy
	setLimit bool // whether the policy gives unbounded volumes a limit

	larger, limited bool // what was met
}

func neverSmaller(t *rapid.T, r *reached) {
	w := genMounted(t)
	e, after := w.evaluate(t)
	p, _ := w.deciding()
	if p == nil {
		return
	}
	s := shrinking{
		world: w, e: e, after: after, policy: p,
		setLimit: existingOf(p) == v1alpha1.ExistingSetLimit,
	}
	for i, v := range w.pod.Spec.Volumes {
		s.volumeChanges(t, v, after.Spec.Volumes[i])
	}
	added := false
	for _, c := range notEphemeral(w.pod) {
		now := container(after, c.Name)
		added = added || len(now.VolumeMounts) > len(c.VolumeMounts)
		s.found(t, c, now)
	}
	r.Count(t, "a volume is added", added)
	r.Count(t, "a volume is enlarged", s.larger)
	r.Count(t, "an unbounded volume gets a limit", s.limited)
	crio := crioSize(w.pod) > 64*mib
	r.Count(t, "CRI-O's annotation asks for more than the policy", added && crio)
	r.Count(t, "the Pod's memory limit bounds what is mounted", added && podLimit(w.pod) > 0)
	r.Count(t, "a volume is left that is larger than needed", e.Outcome == policy.Compliant)
}

// volumeChanges checks that nothing about a volume changes but its size limit, which grows.
func (s *shrinking) volumeChanges(t *rapid.T, v, now corev1.Volume) {
	was, is := sizeLimit(v.EmptyDir), sizeLimit(now.EmptyDir)
	switch {
	case was > 0 && is < was:
		t.Fatalf("the sizeLimit of %q falls from %d to %d\n%s", v.Name, was, is, s.told(&s.e))
	case was == 0 && is > 0:
		s.getsLimit(t, v.Name, is)
		s.limited = true
	}
	s.larger = s.larger || is > was && was > 0
	if now.EmptyDir != nil && v.EmptyDir != nil {
		now.EmptyDir = now.EmptyDir.DeepCopy()
		now.EmptyDir.SizeLimit = v.EmptyDir.SizeLimit
	}
	if diff := equal(v, now); diff != "" {
		t.Fatalf("volume %q becomes another:\n%s", v.Name, diff)
	}
}

// getsLimit checks that the policy gives an unbounded volume a limit, and that the message names both
// sizes.
func (s *shrinking) getsLimit(t *rapid.T, name string, limit int64) {
	if !s.setLimit {
		t.Fatalf("%q gets a sizeLimit under existing: %s\n%s",
			name, existingOf(s.policy), s.told(&s.e))
	}
	if bound := podLimit(s.pod); bound > 0 && !saysSize(s.e.Detail, bound) {
		t.Fatalf("the message does not say that it was up to %d\n%s", bound, s.told(&s.e))
	}
	if !saysSize(s.e.Detail, limit) {
		t.Fatalf("the message does not name the new size %d\n%s", limit, s.told(&s.e))
	}
}

// found checks that a container finds no less at the mount path than before, unless an unbounded
// volume got its limit.
func (s *shrinking) found(t *rapid.T, c, now *corev1.Container) {
	mountPath := mountPathOf(s.policy)
	was, known := effective(s.pod, c, mountPath)
	if !known {
		return
	}
	unbounded := slices.ContainsFunc(mountsAt(c, mountPath), func(m corev1.VolumeMount) bool {
		e := memoryVolume(s.pod, m.Name)
		return e != nil && sizeLimit(e) == 0
	})
	if s.setLimit && unbounded {
		return
	}
	if is, stillKnown := effective(s.after, now, mountPath); !stillKnown || is < was {
		t.Fatalf("%q finds %d bytes at %s, and %d afterwards\n%s",
			c.Name, was, mountPath, is, s.told(&s.e))
	}
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

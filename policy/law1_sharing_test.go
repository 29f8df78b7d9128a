package policy_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// Law 1: what was shared stays shared, and what was apart stays apart.

// sharing is an evaluation with what law 1 says about it.
type sharing struct {
	*world
	e         evaluation
	after     *corev1.Pod
	mountPath string
	writers   map[string]bool
	given     map[string]bool // the containers that get a mount
}

func sharedStaysShared(t *rapid.T, r *reached) {
	weights := usual
	weights.init, weights.sidecar, weights.second, weights.at, weights.otherPath = 9, 8, 9, 4, 5
	weights.wild, weights.nothing, weights.skipped, weights.node = 1, 1, 0, 0
	weights.onlyMem, weights.noSizing, weights.overrides, weights.guess = 1, 0, 1, 1
	w := genWorld(t, weights)
	e, after := w.evaluate(t)
	p, _ := w.deciding()
	if p == nil {
		return
	}
	s := sharing{
		world: w, e: e, after: after, mountPath: mountPathOf(p), writers: w.writers(p),
		given: map[string]bool{},
	}
	for _, c := range notEphemeral(w.pod) {
		s.mountsOf(t, c)
	}
	if s.mountPath == "/dev/shm" {
		for _, a := range notEphemeral(w.pod) {
			for _, b := range notEphemeral(w.pod) {
				s.between(t, a, b)
			}
		}
		if len(s.given) > 0 && !s.writes() {
			t.Fatalf("a group without a writer gets a volume\n%s", w.told(&e))
		}
	}
	s.count(t, r)
}

// mountsOf checks that a container keeps its mounts and gets no more than one, which is of a new
// volume.
func (s *sharing) mountsOf(t *rapid.T, c *corev1.Container) {
	now := container(s.after, c.Name)
	kept := now.VolumeMounts[:min(len(c.VolumeMounts), len(now.VolumeMounts))]
	if diff := cmp.Diff(c.VolumeMounts, kept, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the mounts of %q have changed:\n%s", c.Name, diff)
	}
	added := now.VolumeMounts[len(c.VolumeMounts):]
	if len(added) == 0 {
		return
	}
	s.given[c.Name] = true
	switch {
	case len(added) > 1 || !at(added[0].MountPath, s.mountPath):
		t.Fatalf("%q gets the mounts %v", c.Name, added)
	case len(mountsAt(c, s.mountPath)) > 0:
		t.Fatalf("%q gets a second mount at %s", c.Name, s.mountPath)
	case s.mountPath != "/dev/shm" && !s.writers[c.Name]:
		t.Fatalf("%q gets a mount at %s and is not a writer\n%s", c.Name, s.mountPath, s.told(&s.e))
	case volume(s.pod, added[0].Name) != nil:
		t.Fatalf("%q gets volume %q, which others mount by themselves", c.Name, added[0].Name)
	}
}

// between checks that two containers share the mount path exactly if they did before.
func (s *sharing) between(t *rapid.T, a, b *corev1.Container) {
	if deviceAt(a, s.mountPath) || deviceAt(b, s.mountPath) {
		return
	}
	nowA, nowB := container(s.after, a.Name), container(s.after, b.Name)
	was := shares(a, s.mountPath) == shares(b, s.mountPath)
	is := shares(nowA, s.mountPath) == shares(nowB, s.mountPath)
	if was != is {
		t.Fatalf("%q and %q share %s: %t, and afterwards %t\n%s",
			a.Name, b.Name, s.mountPath, was, is, s.told(&s.e))
	}
}

// writes reports whether a writer is among the containers that share the runtime's /dev/shm.
func (s *sharing) writes() bool {
	return s.some(func(c *corev1.Container) bool {
		return s.writers[c.Name] && !deviceAt(c, s.mountPath) && len(mountsAt(c, s.mountPath)) == 0
	})
}

// some reports whether any container fulfills a condition.
func (s *sharing) some(is func(*corev1.Container) bool) bool {
	return slices.ContainsFunc(notEphemeral(s.pod), is)
}

// count counts the kinds of cases that were met.
func (s *sharing) count(t *rapid.T, r *reached) {
	added, shm := len(s.given) > 0, s.mountPath == "/dev/shm"
	beside := s.some(func(c *corev1.Container) bool { return s.given[c.Name] && !s.writers[c.Name] })
	own := s.some(func(c *corev1.Container) bool { return len(mountsAt(c, s.mountPath)) > 0 })
	writer := s.some(func(c *corev1.Container) bool {
		return s.writers[c.Name] && len(mountsAt(c, s.mountPath)) == 0
	})
	r.Count(t, "a volume is added", added)
	r.Count(t, "an init container gets it", s.given["seed"] && shm)
	r.Count(t, "a sidecar gets it", s.given["proxy"] && shm)
	r.Count(t, "a container that does not write gets it", beside)
	r.Count(t, "a container keeps a volume of its own beside it", added && own)
	r.Count(t, "it is below another path than /dev/shm", added && !shm)
	r.Count(t, "the group has no writer", shm && !writer)
}

func TestEvaluate_SharedStaysShared(t *testing.T) { check(t, sharedStaysShared) }
func FuzzLaw1(f *testing.F)                       { fuzz(f, sharedStaysShared) }

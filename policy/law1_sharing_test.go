package policy_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// Law 1: what was shared stays shared, and what was apart stays apart.

func sharedStaysShared(t *rapid.T, r *reached) {
	weights := usual
	weights.init, weights.sidecar, weights.second, weights.at, weights.otherPath = 9, 6, 9, 4, 5
	weights.wild, weights.nothing, weights.skipped, weights.node = 1, 1, 0, 0
	weights.onlyMem, weights.noSizing, weights.overrides, weights.guess = 1, 0, 1, 1
	w := genWorld(t, weights)
	e, after := w.evaluate(t)
	p, _ := w.deciding()
	if p == nil {
		return
	}
	mountPath := mountPathOf(p)
	writers := w.writers(p)
	given := map[string]bool{}
	for _, c := range notEphemeral(w.pod) {
		now := container(after, c.Name)
		if diff := cmp.Diff(c.VolumeMounts, now.VolumeMounts[:min(len(c.VolumeMounts), len(now.VolumeMounts))], cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the mounts of %q have changed:\n%s", c.Name, diff)
		}
		added := now.VolumeMounts[len(c.VolumeMounts):]
		given[c.Name] = len(added) > 0
		switch {
		case len(added) > 1 || len(added) == 1 && !at(added[0].MountPath, mountPath):
			t.Fatalf("%q gets the mounts %v", c.Name, added)
		case len(added) == 1 && len(mountsAt(c, mountPath)) > 0:
			t.Fatalf("%q gets a second mount at %s", c.Name, mountPath)
		case len(added) == 1 && mountPath != "/dev/shm" && !writers[c.Name]:
			t.Fatalf("%q gets a mount at %s and is not a writer\n%s", c.Name, mountPath, w.told(&e))
		case len(added) == 1 && volume(w.pod, added[0].Name) != nil:
			t.Fatalf("%q gets volume %q, which others mount by themselves", c.Name, added[0].Name)
		}
	}
	if mountPath == "/dev/shm" {
		group := 0
		writes := false
		for _, a := range notEphemeral(w.pod) {
			if deviceAt(a, mountPath) {
				continue
			}
			if len(mountsAt(a, mountPath)) == 0 {
				group++
				writes = writes || writers[a.Name]
			}
			for _, b := range notEphemeral(w.pod) {
				if deviceAt(b, mountPath) {
					continue
				}
				was := shares(a, mountPath) == shares(b, mountPath)
				is := shares(
					container(after, a.Name),
					mountPath,
				) == shares(
					container(after, b.Name),
					mountPath,
				)
				if was != is {
					t.Fatalf(
						"%q and %q share %s: %t, and afterwards %t\n%s",
						a.Name,
						b.Name,
						mountPath,
						was,
						is,
						w.told(&e),
					)
				}
			}
		}
		if len(given) > 0 && slices.Contains(slices.Collect(maps.Values(given)), true) && !writes {
			t.Fatalf("a group without a writer gets a volume\n%s", w.told(&e))
		}
	}
	any := slices.Contains(slices.Collect(maps.Values(given)), true)
	some := func(is func(c *corev1.Container) bool) bool {
		return slices.ContainsFunc(notEphemeral(w.pod), is)
	}
	r.Count(t, "a volume is added", any)
	r.Count(t, "an init container gets it", given["seed"] && mountPath == "/dev/shm")
	r.Count(t, "a sidecar gets it", given["proxy"] && mountPath == "/dev/shm")
	r.Count(
		t,
		"a container that does not write gets it",
		some(func(c *corev1.Container) bool { return given[c.Name] && !writers[c.Name] }),
	)
	r.Count(
		t,
		"a container keeps a volume of its own beside it",
		any && some(func(c *corev1.Container) bool { return len(mountsAt(c, mountPath)) > 0 }),
	)
	r.Count(t, "it is below another path than /dev/shm", any && mountPath != "/dev/shm")
	r.Count(
		t,
		"the group has no writer",
		mountPath == "/dev/shm" && !some(func(c *corev1.Container) bool {
			return writers[c.Name] && len(mountsAt(c, mountPath)) == 0
		}),
	)
}

func TestEvaluate_SharedStaysShared(t *testing.T) { check(t, sharedStaysShared) }
func FuzzLaw1(f *testing.F)                       { fuzz(f, sharedStaysShared) }

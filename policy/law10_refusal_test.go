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

// Law 10: the refusal holds.

func refusalHolds(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.below, weights.wild, weights.odd, weights.twice = 11, 1, 2, 2, 2
	weights.skipped, weights.node, weights.crio, weights.ours, weights.unaligned = 1, 2, 3, 5, 2
	weights.policies, weights.otherPath = 1, 2
	w := genWorld(t, weights)
	if odds(t, "from a Pod that complies", 14) {
		p := w.policies[0]
		p.Spec.Match, p.Spec.Exclude = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}, nil
		p.Spec.Mode, p.Spec.Mutation = v1alpha1.Enforce, ""
		makePlain(w.pod)
		_, w.pod = w.evaluate(t)
		for range pick(t, "spoils", 1, 1, 2, 2, 0) {
			spoil(t, w)
		}
	}
	e, _ := w.evaluate(t)
	p, _ := w.deciding()
	if p == nil {
		return
	}
	why := w.objections(p)
	if len(why) > 0 && len(e.Before) == 0 {
		t.Fatalf("admitted, and yet %v\n%s", why, w.told(&e))
	}
	for _, kind := range []string{"mounts nothing", "not memory", "too small", "no room", "read-only or a part", "unbounded", "not whole pages"} {
		r.Count(t, kind, why[kind] != "")
	}
	r.Count(
		t,
		"no objection",
		len(why) == 0 && enforces(p) && p.Spec.Sizing != nil && !w.guessed(p),
	)
	r.Count(t, "compliant", e.Outcome == policy.Compliant)
	r.Count(
		t,
		"forged annotations of ours and an objection",
		len(why) > 0 && w.pod.Annotations[v1alpha1.AnnotationInjected] != "",
	)
}

// objections returns why no server may admit the Pod as it is, read off the Pod: the container, by
// the kind of the fault.
func (w *world) objections(p *v1alpha1.SharedMemoryPolicy) map[string]string {
	if !enforces(p) || p.Spec.Sizing == nil || w.guessed(p) || skipped(w.pod) || exempt(w.pod, p) {
		return nil
	}
	out, all := map[string]string{}, map[string]int64{}
	mountPath, writers := mountPathOf(p), w.writers(p)
	pays := handlingOf(p) != v1alpha1.MemoryIgnore
	for _, c := range notEphemeral(w.pod) {
		if !writers[c.Name] {
			continue
		}
		mounts := mountsAt(c, mountPath)
		switch {
		case onNode(w.pod, c, mountPath):
			if p.Spec.HostShm == v1alpha1.Denied {
				out["node"] = c.Name
			}
			continue
		case len(mounts) == 0:
			out["mounts nothing"] = c.Name
		}
		for _, mount := range mounts {
			if kind := w.objectionTo(p, mount); kind != "" {
				out[kind] = c.Name
			}
			if size := sizeLimit(memoryVolume(w.pod, mount.Name)); size > 0 {
				all[mount.Name] = size
			}
		}
		if l, volumes := memoryLimit(&c.Resources), volumesOf(w.pod, c, mountPath); pays && l > 0 &&
			len(volumes) > 0 &&
			l < plus(totalCost(modelOf(p), volumes), reserveOf(p)) {
			out["no room"] = c.Name
		}
	}
	if r := w.pod.Spec.Resources; r != nil && memoryLimit(r) > 0 && len(all) > 0 && pays &&
		memoryLimit(r) < plus(totalCost(modelOf(p), all), reserveOf(p)) {
		out["no room"] = "the Pod"
	}
	return out
}

// objectionTo returns what is wrong with what a writer has at the mount path; "" for nothing.
func (w *world) objectionTo(p *v1alpha1.SharedMemoryPolicy, mount corev1.VolumeMount) string {
	m := modelOf(p)
	least := m.least
	if required, ok := w.required(p); ok &&
		!(overridden(w.pod) && p.Spec.Overrides == v1alpha1.OverridesAllowed) {
		least = min(max(required, m.least), m.most)
	}
	v := memoryVolume(w.pod, mount.Name)
	leave := existingOf(p) == v1alpha1.ExistingLeave
	switch size := sizeLimit(v); {
	case v == nil && nodeShm(volume(w.pod, mount.Name)):
		return "" // beside another mount at the path
	case v == nil:
		return "not memory"
	case mount.ReadOnly || mount.SubPath != "" || mount.SubPathExpr != "":
		return "read-only or a part"
	case size == 0 && (leave || existingOf(p) == v1alpha1.ExistingEnlarge && !m.files || w.noBasis(p)):
		return ""
	case size == 0:
		return "unbounded"
	case leave:
		return ""
	case size%m.page != 0:
		return "not whole pages"
	case size < least:
		return "too small"
	case mountedSize(w.pod, v) < least && handlingOf(p) != v1alpha1.MemoryIgnore:
		return "clamped"
	}
	return ""
}

// noBasis reports whether the size is a share of memory figures that no writer has: what has no
// limit is then left.
func (w *world) noBasis(p *v1alpha1.SharedMemoryPolicy) bool {
	writers, r := w.writers(p), w.pod.Spec.Resources
	return p.Spec.Sizing.MemoryPercent != nil && (r == nil || effectiveRequest(r) == 0) &&
		!slices.ContainsFunc(notEphemeral(w.pod), func(c *corev1.Container) bool {
			return writers[c.Name] && effectiveRequest(&c.Resources) > 0
		})
}

// makePlain takes away what could stand in the way of a mutation.
func makePlain(pod *corev1.Pod) {
	pod.Annotations, pod.Spec.Volumes, pod.Spec.EphemeralContainers = nil, nil, nil
	pod.Spec.HostIPC, pod.Spec.OS = false, nil
	for _, c := range notEphemeral(pod) {
		c.VolumeMounts, c.VolumeDevices = nil, nil
	}
}

// spoil changes something about the mount path or the memory of a Pod.
func spoil(t *rapid.T, w *world) {
	list := notEphemeral(w.pod)
	c := list[rapid.IntRange(0, len(list)-1).Draw(t, "spoil container")]
	path := mountPathOf(w.policies[0])
	sizes := func(size string) {
		for i := range w.pod.Spec.Volumes {
			if e := w.pod.Spec.Volumes[i].EmptyDir; e != nil {
				e.SizeLimit = quantity(size)
			}
		}
	}
	switch pick(t, "spoil", "no size", "no size", "small", "small", "uneven", "uneven", "uneven",
		"read-only", "read-only", "read-only", "limit", "limit", "limit", "wild", "wild", "wild") {
	case "no size":
		sizes("0")
	case "small":
		sizes(pick(t, "small size", "1Mi", "63Mi"))
	case "uneven":
		sizes(pick(t, "uneven size", "15000000001", "500M"))
	case "read-only":
		for i := range c.VolumeMounts {
			c.VolumeMounts[i].ReadOnly = true
		}
	case "limit":
		w.toBoundary(w.policies[0], pick(t, "limit off by", -1, -64*mib, 0))
	case "wild":
		spoilWildly(t, w, c, path)
	}
	if odds(t, "spoil and forge", 4) {
		genForgeries(t, w.pod)
	}
}

// spoilWildly changes something as nobody would do it on purpose.
func spoilWildly(t *rapid.T, w *world, c *corev1.Container, path string) {
	wild := usual
	wild.at, wild.unaligned = 12, 4
	switch pick(t, "spoil wildly", "medium", "mounts", "medium", "volume", "medium", "pod-level", "container", "medium") {
	case "mounts":
		c.VolumeMounts = genMounts(t, "other", path, wild)
	case "volume":
		w.pod.Spec.Volumes = append(
			w.pod.Spec.Volumes,
			genVolume(t, pick(t, "another volume", "a", "d", "shmkeeper-shm"), wild),
		)
	case "pod-level":
		w.pod.Spec.Resources = ptr(genResources(t, "other pod", wild))
	case "container":
		w.pod.Spec.Containers = append(w.pod.Spec.Containers, genContainer(t, "late", path, wild))
	case "medium":
		for i := range w.pod.Spec.Volumes {
			if e := w.pod.Spec.Volumes[i].EmptyDir; e != nil {
				e.Medium = ""
			}
		}
	}
}

func TestEvaluate_RefusalHolds(t *testing.T) { check(t, refusalHolds) }
func FuzzLaw10(f *testing.F)                 { fuzz(f, refusalHolds) }

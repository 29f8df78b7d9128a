package policy_test

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Law 3: what a volume costs is paid once, by those who write to it.

// volumesOf returns the Memory emptyDirs with a size limit that a container mounts at or below the
// path, by name.
func volumesOf(pod *corev1.Pod, c *corev1.Container, mountPath string) map[string]int64 {
	out := map[string]int64{}
	for _, m := range slices.Concat(mountsAt(c, mountPath), mountsBelow(c, mountPath)) {
		if size := sizeLimit(memoryVolume(pod, m.Name)); size > 0 {
			out[m.Name] = size
		}
	}
	return out
}

// raise is what the volumes of one memory limit cost, in whole MiB, and use.
type raise struct {
	before, after       int64
	useBefore, useAfter int64
	volumes             int
}

// payable returns the largest volume that the policy pays for: nobody gets more memory by a larger
// sizeLimit or by an annotation for the runtime.
func payable(p *v1alpha1.SharedMemoryPolicy, required int64) int64 {
	size := modelOf(p).limit(required)
	if mountPathOf(p) == "/dev/shm" {
		return max(size, runtimeShm)
	}
	return size
}

// raiseFor returns what some volumes of a Pod cost before and after a plan.
func raiseFor(
	p *v1alpha1.SharedMemoryPolicy,
	required int64,
	had, have map[string]int64,
) raise {
	var out raise
	m := modelOf(p)
	for name, size := range have {
		was, is := min(had[name], payable(p, required)), min(size, payable(p, required))
		out.after = plus(out.after, up(m.cost(is), mib))
		out.before = plus(out.before, up(m.cost(was), mib))
		out.useAfter = plus(out.useAfter, m.use(is, required))
		out.useBefore = plus(out.useBefore, m.use(was, required))
		out.volumes++
	}
	return out
}

// limit returns the raised limit.
func (a raise) limit(l, reserve int64, counted bool) int64 {
	if counted {
		return max(l, up(plus(a.after, reserve), mib))
	}
	return max(l, down(l, mib)+a.after-a.before, up(plus(a.after, reserve), mib))
}

// isRequest reports whether a request is the one that is wanted, as it is written: in whole MiB,
// rounded up, and below the limit if it was, which keeps the QoS class. A request that was not
// whole MiB may be rounded before or after what is added.
func isRequest(got, was, want, limit, oldLimit int64) bool {
	if want == was {
		return got == was
	}
	want = up(want, mib)
	if limit > 0 && was < oldLimit && want >= limit {
		return got == limit-mib || got == was
	}
	if limit > 0 {
		want = min(want, limit)
	}
	return got == want || was%mib != 0 && got >= want-mib && got <= want+mib
}

func paidOnce(t *rapid.T, r *reached) {
	weights := usual
	weights.at, weights.wild, weights.odd, weights.twice, weights.below = 7, 0, 0, 0, 1
	weights.nothing, weights.skipped, weights.node, weights.device, weights.remount = 1, 0, 0, 0, 0
	weights.guess, weights.named, weights.noSizing, weights.overrides, weights.ours = 0, 8, 0, 0, 3
	weights.onlyMem, weights.podLevel, weights.guaranteed, weights.vpa, weights.unset = 1, 5, 4, 6, 2
	w := genWorld(t, weights)
	p := w.policies[0]
	if r := &container(w.pod, "web").Resources; memoryLimit(r) > 0 && w.pod.Spec.Resources == nil &&
		odds(t, "a low limit", 6) {
		*r = corev1.ResourceRequirements{
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")},
			Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")},
		}
	}
	if odds(t, "all containers write", 5) {
		p.Spec.Writers = &v1alpha1.Writers{Names: []string{"*"}}
	}
	p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	p.Spec.Exclude, p.Spec.Mutation = nil, ""
	e, after := w.evaluate(t)
	mountPath, writers := mountPathOf(p), w.writers(p)
	required, sized := w.required(p)
	if e.Outcome != policy.Mutated {
		if diff := equal(w.pod, after); diff != "" {
			t.Fatalf("not mutated, and changed:\n%s", diff)
		}
	}
	byVPA := w.pod.Annotations["vpaUpdates"] != ""
	guaranteed := qos(w.pod) == corev1.PodQOSGuaranteed
	bestEffort := !anyNamesMemory(w.pod) && w.pod.Spec.Resources == nil
	podLevel := w.pod.Spec.Resources != nil
	charged := map[string]bool{}
	had, have := map[string]int64{}, map[string]int64{}
	var several, byReserve, stays, requestOnly, raised bool
	for _, c := range notEphemeral(w.pod) {
		now := container(after, c.Name)
		if !writers[c.Name] || bestEffort {
			if diff := equal(c.Resources, now.Resources); diff != "" {
				t.Fatalf("the figures of %q change:\n%s%s", c.Name, diff, w.told(&e))
			}
			continue
		}
		before, volumes := volumesOf(w.pod, c, mountPath), volumesOf(after, now, mountPath)
		maps.Copy(had, before)
		maps.Copy(have, volumes)
		if !sized {
			continue
		}
		first := map[string]int64{}
		for name, size := range volumes {
			if !charged[name] {
				first[name] = size
			}
			charged[name] = true
		}
		several = several || len(first) < len(volumes)
		a := raiseFor(p, required, before, volumes)
		use := raiseFor(p, required, before, first)
		vpa := byVPA && !isInit(w.pod, c)
		l, is := memoryLimit(&c.Resources), memoryLimit(&now.Resources)
		if l == 0 && is != 0 {
			t.Fatalf("%q gets a memory limit\n%s", c.Name, w.told(&e))
		}
		if l > 0 && a.volumes <= 1 && e.Outcome == policy.Mutated {
			want := a.limit(l, reserveOf(p), vpa)
			if a.after == 0 {
				want = l
			}
			if is != want {
				t.Fatalf(
					"the limit of %q goes from %d to %d, want %d (%+v)\n%s",
					c.Name,
					l,
					is,
					want,
					a,
					w.told(&e),
				)
			}
		}
		raised = raised || is > l
		byReserve = byReserve ||
			is > l && is == up(a.after+reserveOf(p), mib) && is > down(l, mib)+a.after-a.before
		stays = stays || l > 0 && is == l && a.volumes > 0
		was, request := effectiveRequest(&c.Resources), effectiveRequest(&now.Resources)
		want := was + use.useAfter - use.useBefore
		if vpa {
			want = was
		}
		requestOnly = requestOnly || l == 0 && request > was
		_, written := c.Resources.Requests[corev1.ResourceMemory]
		switch {
		case e.Outcome != policy.Mutated:
		case guaranteed && !podLevel:
			if request != is {
				t.Fatalf(
					"%q of a Guaranteed Pod has a request of %d and a limit of %d\n%s",
					c.Name,
					request,
					is,
					w.told(&e),
				)
			}
		case !written && l > 0 && request == is:
			// The request is still not written, and so the limit.
		case !written && l == 0 && podLevel && request == 0:
			// The pod-level request is there for all.
		default:
			if !isRequest(request, was, want, is, l) &&
				!(!written && want == was && request == up(was, mib)) {
				t.Fatalf(
					"the request of %q goes from %d to %d, want %d (%+v)\n%s",
					c.Name,
					was,
					request,
					want,
					use,
					w.told(&e),
				)
			}
		}
	}
	if r := w.pod.Spec.Resources; r != nil && sized && e.Outcome == policy.Mutated {
		a := raiseFor(p, required, had, have)
		l, is := memoryLimit(r), memoryLimit(after.Spec.Resources)
		if want := a.limit(l, reserveOf(p), false); l > 0 && a.volumes == 1 && !byVPA &&
			is != want {
			t.Fatalf(
				"the pod-level limit goes from %d to %d, want %d (%+v)\n%s",
				l,
				is,
				want,
				a,
				w.told(&e),
			)
		}
		if l == 0 && is != 0 {
			t.Fatalf("the Pod gets a pod-level limit\n%s", w.told(&e))
		}
		if request, written := r.Requests[corev1.ResourceMemory]; written && !byVPA && !guaranteed {
			was, now := bytesOf(
				request,
			), bytesOf(
				after.Spec.Resources.Requests[corev1.ResourceMemory],
			)
			want := was + a.useAfter - a.useBefore
			if rounding := int64(a.volumes-1) * mib; !isRequest(now, was, want, is, l) &&
				now != up(was, mib) &&
				(now < want-rounding || now > up(want, mib)+rounding || rounding <= 0) {
				t.Fatalf(
					"the pod-level request goes from %d to %d, want %d (%+v)\n%s",
					was,
					now,
					want,
					a,
					w.told(&e),
				)
			}
		}
	}
	mutated := e.Outcome == policy.Mutated
	r.Count(t, "a limit is raised", mutated && raised)
	r.Count(t, "by the reserve", mutated && byReserve)
	r.Count(t, "a limit is enough and stays", mutated && stays)
	r.Count(
		t,
		"a volume that was there gets larger",
		mutated &&
			slices.ContainsFunc(
				slices.Collect(maps.Keys(had)),
				func(name string) bool { return had[name] > 0 && have[name] > had[name] },
			),
	)
	r.Count(t, "several writers share it", mutated && several)
	r.Count(t, "a request is raised without a limit", mutated && requestOnly)
	r.Count(t, "pod-level figures", mutated && podLevel)
	r.Count(t, "Guaranteed", mutated && guaranteed)
	r.Count(t, "BestEffort", mutated && bestEffort)
	r.Count(t, "figures by a vertical autoscaler", mutated && byVPA && raised)
	r.Count(t, "some container does not write", mutated && len(writers) < len(notEphemeral(w.pod)))
}

func TestEvaluate_PaidOnce(t *testing.T) { check(t, paidOnce) }
func FuzzLaw3(f *testing.F)              { fuzz(f, paidOnce) }

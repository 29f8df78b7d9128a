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
		if below(m.MountPath, mountPath) && m.ReadOnly {
			continue // the writer cannot write to it
		}
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

// genPaying makes a Pod that a policy which mutates matches, with figures of every kind.
func genPaying(t *rapid.T) *world {
	weights := usual
	weights.at, weights.wild, weights.odd, weights.twice, weights.below = 7, 0, 0, 0, 1
	weights.nothing, weights.skipped, weights.node, weights.device, weights.remount = 1, 0, 0, 0, 0
	weights.guess, weights.named, weights.noSizing, weights.overrides, weights.ours = 0, 8, 0, 0, 3
	weights.onlyMem, weights.podLevel, weights.guaranteed, weights.vpa, weights.unset = 1, 4, 3, 8, 2
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
	return w
}

// payment is an evaluation with what law 3 says about it.
type payment struct {
	*world
	e        evaluation
	after    *corev1.Pod
	policy   *v1alpha1.SharedMemoryPolicy
	writers  map[string]bool
	required int64
	sized    bool // whether the required size does not depend on the memory figures

	mutated, byVPA, podLevel bool
	guaranteed, bestEffort   bool

	had, have map[string]int64 // the volumes of all writers, before and after
	charged   map[string]bool  // the volumes that a writer has paid for

	several, byReserve, stays, requestOnly, raised bool // what was met
}

func (w *world) pay(t *rapid.T) *payment {
	p := w.policies[0]
	e, after := w.evaluate(t)
	required, sized := w.required(p)
	return &payment{
		world: w, e: e, after: after, policy: p, writers: w.writers(p), required: required, sized: sized,
		mutated:    e.Outcome == policy.Mutated,
		byVPA:      w.pod.Annotations["vpaUpdates"] != "",
		podLevel:   w.pod.Spec.Resources != nil,
		guaranteed: qos(w.pod) == corev1.PodQOSGuaranteed,
		bestEffort: !anyNamesMemory(w.pod) && w.pod.Spec.Resources == nil,
		had:        map[string]int64{},
		have:       map[string]int64{},
		charged:    map[string]bool{},
	}
}

func paidOnce(t *rapid.T, r *reached) {
	pay := genPaying(t).pay(t)
	if !pay.mutated {
		if diff := equal(pay.pod, pay.after); diff != "" {
			t.Fatalf("not mutated, and changed:\n%s", diff)
		}
	}
	for _, c := range notEphemeral(pay.pod) {
		now := container(pay.after, c.Name)
		if !pay.writers[c.Name] || pay.bestEffort {
			if diff := equal(c.Resources, now.Resources); diff != "" {
				t.Fatalf("the figures of %q change:\n%s%s", c.Name, diff, pay.told(&pay.e))
			}
			continue
		}
		pay.byWriter(t, c, now)
	}
	if pay.podLevel && pay.sized && pay.mutated {
		pay.byPod(t)
	}
	pay.count(t, r)
}

// byWriter checks the figures of a writer, before and after.
func (pay *payment) byWriter(t *rapid.T, c, now *corev1.Container) {
	mountPath := mountPathOf(pay.policy)
	before, volumes := volumesOf(pay.pod, c, mountPath), volumesOf(pay.after, now, mountPath)
	maps.Copy(pay.had, before)
	maps.Copy(pay.have, volumes)
	if !pay.sized {
		return
	}
	first := map[string]int64{}
	for name, size := range volumes {
		if !pay.charged[name] {
			first[name] = size
		}
		pay.charged[name] = true
	}
	pay.several = pay.several || len(first) < len(volumes)
	pay.limitOfWriter(t, c, now, raiseFor(pay.policy, pay.required, before, volumes))
	pay.requestOfWriter(t, c, now, raiseFor(pay.policy, pay.required, before, first))
}

// hasVPA reports whether a vertical autoscaler wrote the figures of a container.
func (pay *payment) hasVPA(c *corev1.Container) bool { return pay.byVPA && !isInit(pay.pod, c) }

// limitOfWriter checks that a writer's limit is raised by what all its volumes cost.
func (pay *payment) limitOfWriter(t *rapid.T, c, now *corev1.Container, a raise) {
	l, is := memoryLimit(&c.Resources), memoryLimit(&now.Resources)
	if l == 0 && is != 0 {
		t.Fatalf("%q gets a memory limit\n%s", c.Name, pay.told(&pay.e))
	}
	if l > 0 && a.volumes <= 1 && pay.mutated {
		want := a.limit(l, reserveOf(pay.policy), pay.hasVPA(c))
		if a.after == 0 {
			want = l
		}
		if is != want {
			t.Fatalf("the limit of %q goes from %d to %d, want %d (%+v)\n%s",
				c.Name, l, is, want, a, pay.told(&pay.e))
		}
	}
	pay.raised = pay.raised || is > l
	pay.byReserve = pay.byReserve || is > l && is == up(a.after+reserveOf(pay.policy), mib) &&
		is > down(l, mib)+a.after-a.before
	pay.stays = pay.stays || l > 0 && is == l && a.volumes > 0
}

// requestOfWriter checks that a writer's request is raised by the use of the volumes that it is the
// first to pay for.
func (pay *payment) requestOfWriter(t *rapid.T, c, now *corev1.Container, use raise) {
	l, is := memoryLimit(&c.Resources), memoryLimit(&now.Resources)
	was, request := effectiveRequest(&c.Resources), effectiveRequest(&now.Resources)
	want := was + use.useAfter - use.useBefore
	if pay.hasVPA(c) {
		want = was
	}
	pay.requestOnly = pay.requestOnly || l == 0 && request > was
	_, written := c.Resources.Requests[corev1.ResourceMemory]
	switch {
	case !pay.mutated:
	case pay.guaranteed && !pay.podLevel:
		if request != is {
			t.Fatalf("%q of a Guaranteed Pod has a request of %d and a limit of %d\n%s",
				c.Name, request, is, pay.told(&pay.e))
		}
	case !written && l > 0 && request == is:
		// The request is still not written, and so the limit.
	case !written && l == 0 && pay.podLevel && request == 0:
		// The pod-level request is there for all.
	case !written && want == was && request == up(was, mib):
	default:
		if !isRequest(request, was, want, is, l) {
			t.Fatalf("the request of %q goes from %d to %d, want %d (%+v)\n%s",
				c.Name, was, request, want, use, pay.told(&pay.e))
		}
	}
}

// byPod checks the pod-level figures.
func (pay *payment) byPod(t *rapid.T) {
	before, after := pay.pod.Spec.Resources, pay.after.Spec.Resources
	a := raiseFor(pay.policy, pay.required, pay.had, pay.have)
	l, is := memoryLimit(before), memoryLimit(after)
	// The API server wants the containers' requests within the Pod's, and that within its limit.
	requests := up(podSum(pay.after, effectiveRequest), mib)
	if want := a.limit(l, reserveOf(pay.policy), false); l > 0 && a.volumes == 1 && !pay.byVPA &&
		is != want && (is != requests || requests < want) {
		t.Fatalf("the pod-level limit goes from %d to %d, want %d (%+v)\n%s",
			l, is, want, a, pay.told(&pay.e))
	}
	if l == 0 && is != 0 {
		t.Fatalf("the Pod gets a pod-level limit\n%s", pay.told(&pay.e))
	}
	request, written := before.Requests[corev1.ResourceMemory]
	if !written || pay.byVPA || pay.guaranteed {
		return
	}
	was, now := bytesOf(request), bytesOf(after.Requests[corev1.ResourceMemory])
	want := was + a.useAfter - a.useBefore
	rounding := int64(a.volumes-1) * mib        // each volume's use may be rounded
	held := now == requests && requests >= want // what the containers request
	if !held && !isRequest(now, was, want, is, l) && now != up(was, mib) &&
		(now < want-rounding || now > up(want, mib)+rounding || rounding <= 0) {
		t.Fatalf("the pod-level request goes from %d to %d, want %d (%+v)\n%s",
			was, now, want, a, pay.told(&pay.e))
	}
}

// count counts the kinds of cases that were met.
func (pay *payment) count(t *rapid.T, r *reached) {
	larger := false
	for name, size := range pay.had {
		larger = larger || size > 0 && pay.have[name] > size
	}
	some := len(pay.writers) < len(notEphemeral(pay.pod))
	r.Count(t, "a limit is raised", pay.mutated && pay.raised)
	r.Count(t, "by the reserve", pay.mutated && pay.byReserve)
	r.Count(t, "a limit is enough and stays", pay.mutated && pay.stays)
	r.Count(t, "a volume that was there gets larger", pay.mutated && larger)
	r.Count(t, "several writers share it", pay.mutated && pay.several)
	r.Count(t, "a request is raised without a limit", pay.mutated && pay.requestOnly)
	r.Count(t, "pod-level figures", pay.mutated && pay.podLevel)
	r.Count(t, "Guaranteed", pay.mutated && pay.guaranteed)
	r.Count(t, "BestEffort", pay.mutated && pay.bestEffort)
	r.Count(t, "figures by a vertical autoscaler", pay.mutated && pay.byVPA && pay.raised)
	r.Count(t, "some container does not write", pay.mutated && some)
}

func TestEvaluate_PaidOnce(t *testing.T) { check(t, paidOnce) }
func FuzzLaw3(f *testing.F)              { fuzz(f, paidOnce) }

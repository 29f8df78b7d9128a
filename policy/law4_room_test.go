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
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Law 4: a limit is enough if it holds what the volume costs and the reserve.

// genRoom makes a Pod whose writers mostly mount volumes, often with limits at the boundary, and
// reports whether they are.
func genRoom(t *rapid.T) (w *world, boundary bool) {
	weights := usual
	weights.at, weights.below, weights.wild, weights.odd, weights.twice = 10, 8, 1, 0, 0
	weights.nothing, weights.skipped, weights.node, weights.device, weights.remount = 0, 0, 0, 0, 0
	weights.guess, weights.overrides, weights.podLevel, weights.vpa = 0, 0, 5, 1
	weights.noSizing = 0
	w = genWorld(t, weights)
	p := w.policies[0]
	if odds(t, "memory: Ignore", 9) {
		p.Spec.Memory.Handling = v1alpha1.MemoryIgnore
	}
	p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	p.Spec.Exclude = nil
	switch {
	case odds(t, "at the boundary", 10):
		boundary = w.toBoundary(p, pick[int64](t, "off by", -1, -1, -1, 0, 1))
	case odds(t, "at the boundary of the Pod", 10):
		boundary = w.toPodBoundary(p, pick[int64](t, "off by", -1, -1, 0, 1))
	}
	return w, boundary
}

// room is an evaluation with what law 4 says about it.
type room struct {
	*world
	e      evaluation
	policy *v1alpha1.SharedMemoryPolicy
	judged bool             // whether the policy looks at memory
	all    map[string]int64 // the volumes of all writers

	short, enough, ignored, podShort bool // what was met
}

func roomForTheProcess(t *rapid.T, r *reached) {
	w, boundary := genRoom(t)
	p := w.policies[0]
	mountPath, writers := mountPathOf(p), w.writers(p)
	e, _ := w.evaluate(t)
	in := room{
		world: w, e: e, policy: p, judged: handlingOf(p) != v1alpha1.MemoryIgnore,
		all: map[string]int64{},
	}
	for _, c := range notEphemeral(w.pod) {
		if !writers[c.Name] || onNode(w.pod, c, mountPath) {
			continue
		}
		volumes := volumesOf(w.pod, c, mountPath)
		maps.Copy(in.all, volumes)
		if memoryLimit(&c.Resources) > 0 {
			in.limitOf(t, c, volumes)
			in.warnedOf(t, c, volumes)
		}
	}
	in.limitOfPod(t)
	r.Count(t, "a limit is too low", in.short)
	r.Count(t, "a limit is enough", in.enough)
	r.Count(t, "a pod-level limit is too low", in.podShort)
	r.Count(t, "a limit is at the boundary", boundary)
	r.Count(t, "memory: Ignore", in.ignored)
	r.Count(t, "two volumes", len(in.all) > 1)
}

// lacks reports whether a limit does not hold what volumes cost and the reserve.
func (in *room) lacks(limit int64, volumes map[string]int64) bool {
	return limit < plus(totalCost(modelOf(in.policy), volumes), reserveOf(in.policy))
}

// oom reports whether OOMBeforeFull is found of a container; of the Pod if its name is empty.
func (in *room) oom(container string) bool {
	return slices.ContainsFunc(in.e.Before, func(v policy.Violation) bool {
		return v.Reason == policy.OOMBeforeFull && v.Container == container
	})
}

// limitOf checks that a writer's limit is found too low exactly if it is.
func (in *room) limitOf(t *rapid.T, c *corev1.Container, volumes map[string]int64) {
	l, reserve := memoryLimit(&c.Resources), reserveOf(in.policy)
	costs := totalCost(modelOf(in.policy), volumes)
	lacks := len(volumes) > 0 && in.lacks(l, volumes)
	got := in.oom(c.Name)
	close := l-costs-reserve < mib && l-costs-reserve > -mib && len(volumes) > 1
	if got != (lacks && in.judged) && !close {
		t.Fatalf("%q has a limit of %d, %v cost %d and the reserve is %d: OOMBeforeFull is %t\n%s",
			c.Name, l, volumes, costs, reserve, got, in.told(&in.e))
	}
	in.short = in.short || lacks && in.judged
	in.enough = in.enough || !lacks && len(volumes) > 0
}

// warnedOf checks that a warning says where a writer's limit holds the volume, and not the request
// beside it, and where nobody looks at a limit that is too low.
func (in *room) warnedOf(t *rapid.T, c *corev1.Container, volumes map[string]int64) {
	e, l := &in.e, memoryLimit(&c.Resources)
	costs := totalCost(modelOf(in.policy), volumes)
	required, sized := in.required(in.policy)
	useBefore := raiseFor(in.policy, required, volumes, volumes).useBefore
	request := effectiveRequest(&c.Resources)
	beside := requestedBeside(request, useBefore)
	if request >= up(useBefore, mib) {
		// It counts on the volume, so that the kernel memory on top is no surprise.
		for _, size := range volumes {
			costs = size
		}
	}
	if e.Outcome == policy.Compliant && in.judged && sized && len(volumes) == 1 && request < l &&
		plus(costs, beside) > l && len(e.Warnings) == 0 {
		t.Fatalf("%q requests %d beside its volume, which costs %d of %d, and no warning says so\n%s",
			c.Name, beside, costs, l, in.told(e))
	}
	ignored := len(volumes) > 0 && in.lacks(l, volumes) && !in.judged
	if ignored && e.Outcome != policy.Violating && len(e.Warnings) == 0 {
		t.Fatalf("%q has a limit of %d for %v, and no warning says so\n%s",
			c.Name, l, volumes, in.told(e))
	}
	in.ignored = in.ignored || ignored
}

// limitOfPod checks that a pod-level limit is found too low exactly if it is.
func (in *room) limitOfPod(t *rapid.T) {
	res := in.pod.Spec.Resources
	if res == nil || memoryLimit(res) == 0 || len(in.all) != 1 {
		return
	}
	in.podShort = in.lacks(memoryLimit(res), in.all)
	if got := in.oom(""); got != (in.podShort && in.judged) {
		t.Fatalf("the pod-level limit is %d for %v: OOMBeforeFull of the Pod is %t\n%s",
			memoryLimit(res), in.all, got, in.told(&in.e))
	}
}

// requestedBeside returns what is requested for a container itself: a request that holds the average
// use of the volume, in whole MiB as it is written, includes it.
func requestedBeside(request, useBefore int64) int64 {
	if useBefore = up(useBefore, mib); request >= useBefore {
		return request - useBefore
	}
	return request
}

// totalCost returns what volumes cost together, in whole MiB.
func totalCost(m model, volumes map[string]int64) int64 {
	var total int64
	for _, size := range volumes {
		total = plus(total, m.cost(size))
	}
	return up(total, mib)
}

// toBoundary reports whether there is a writer to give a boundary: it gives the first writer with a
// volume exactly the limit that is enough, but for some bytes.
func (w *world) toBoundary(p *v1alpha1.SharedMemoryPolicy, off int64) bool {
	writers := w.writers(p)
	for _, c := range notEphemeral(w.pod) {
		volumes := volumesOf(w.pod, c, mountPathOf(p))
		if !writers[c.Name] || len(volumes) != 1 {
			continue
		}
		l := *resource.NewQuantity(totalCost(modelOf(p), volumes)+reserveOf(p)+off, resource.BinarySI)
		if c.Resources.Limits == nil {
			c.Resources.Limits = corev1.ResourceList{}
		}
		c.Resources.Limits[corev1.ResourceMemory] = l
		if c.Resources.Requests == nil {
			c.Resources.Requests = corev1.ResourceList{}
		}
		c.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1Mi")
		w.pod.Spec.Resources = nil
		return true
	}
	return false
}

// toPodBoundary reports whether there is a Pod limit to give a boundary: it gives the Pod as a
// whole exactly the limit that is enough, but for some bytes.
func (w *world) toPodBoundary(p *v1alpha1.SharedMemoryPolicy, off int64) bool {
	writers, volumes := w.writers(p), map[string]int64{}
	for _, c := range notEphemeral(w.pod) {
		if writers[c.Name] && !onNode(w.pod, c, mountPathOf(p)) {
			maps.Copy(volumes, volumesOf(w.pod, c, mountPathOf(p)))
		}
	}
	if len(volumes) == 0 {
		return false
	}
	for _, c := range notEphemeral(w.pod) {
		c.Resources = corev1.ResourceRequirements{}
	}
	w.pod.Spec.Resources = &corev1.ResourceRequirements{
		Limits: corev1.ResourceList{
			corev1.ResourceMemory: *resource.NewQuantity(totalCost(modelOf(p), volumes)+reserveOf(p)+off, resource.BinarySI),
		},
		Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Mi")},
	}
	return true
}

func TestEvaluate_RoomForTheProcess(t *testing.T) { check(t, roomForTheProcess) }
func FuzzLaw4(f *testing.F)                       { fuzz(f, roomForTheProcess) }

// A limit that holds the volume and the reserve, and not what is requested beside the volume's average
// use, is worth a warning. (A raised request includes that use.)
func TestEvaluate_WarnsThatRequestAndVolumeExceedTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := int64(rapid.IntRange(1, 600).Draw(t, "request")) * mib
		limit := int64(rapid.IntRange(320, 700).Draw(t, "limit")) * mib
		if request >= limit {
			return
		}
		w := &world{
			policies: []*v1alpha1.SharedMemoryPolicy{fixedPolicy("256Mi")},
			pod:      podWithVolume("256Mi"),
		}
		w.pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{
			Limits: corev1.ResourceList{
				corev1.ResourceMemory: *resource.NewQuantity(limit, resource.BinarySI),
			},
			Requests: corev1.ResourceList{
				corev1.ResourceMemory: *resource.NewQuantity(request, resource.BinarySI),
			},
		}
		e, _ := w.evaluate(t)
		want := up(cost(256*mib, 0, 4096), mib)+requestedBeside(request, 256*mib) > limit
		if e.Outcome != policy.Compliant || (len(e.Warnings) > 0) != want {
			t.Fatalf(
				"limit %d, request %d: want a warning: %t\n%s",
				limit,
				request,
				want,
				w.told(&e),
			)
		}
	})
}

func fixedPolicy(size string) *v1alpha1.SharedMemoryPolicy {
	p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: "fixed"}}
	p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
	p.Spec.Sizing = &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: resource.MustParse(size)}}
	return p
}

// podWithVolume returns a Pod with one container that mounts a Memory emptyDir; without one if the
// size is empty.
func podWithVolume(size string) *corev1.Pod {
	if size == "" {
		return policytest.NewPod("", policytest.WithContainer("web", "web"))
	}
	return policytest.NewPod("",
		policytest.WithContainer("web", "web", policytest.Mount("shm", "/dev/shm")),
		policytest.WithMemoryVolume("shm", size))
}

package policy_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// What admits only so much memory.
const (
	byContainers = "a LimitRange of containers"
	byPods       = "a LimitRange of Pods"
	byQuota      = "a quota"
)

// bounded is a Pod with one container, whose memory something in the namespace bounds. Its figures
// are MiB.
type bounded struct {
	*world
	by     string
	wanted int64 // the size of the policy
	own    int64 // the Pod's own volume
	limit  int64 // the container's memory limit as it was written
	most   int64 // the largest limit that is admitted
}

func genBounded(t *rapid.T) bounded {
	wanted := int64(rapid.IntRange(64, 2048).Draw(t, "size"))
	own := pick[int64](t, "own volume", 0, 64, 200, 0, 1500)
	limit := int64(rapid.IntRange(100, 600).Draw(t, "limit"))
	most := limit + int64(rapid.IntRange(0, 1500).Draw(t, "room"))
	out := bounded{wanted: wanted, own: min(own, wanted), limit: limit, most: most}
	volume := ""
	if out.own > 0 {
		volume = fmt.Sprintf("%dMi", out.own)
	}
	p := fixedPolicy(fmt.Sprintf("%dMi", wanted))
	p.Spec.Overrides = pick(t, "overrides", v1alpha1.OverridesAllowed, v1alpha1.OverridesRaiseOnly)
	out.world = &world{policies: []*v1alpha1.SharedMemoryPolicy{p}, pod: podWithVolume(volume)}
	memory := fmt.Sprintf("%dMi", limit)
	out.pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)},
		Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
	}
	out.by = pick(t, "by", byContainers, byPods, byQuota)
	out.bound(resource.MustParse(fmt.Sprintf("%dMi", most)))
	return out
}

// bound adds what bounds the Pod's memory.
func (b *bounded) bound(most resource.Quantity) {
	if b.by == byQuota {
		q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q"}}
		q.Status.Hard = corev1.ResourceList{corev1.ResourceLimitsMemory: most}
		q.Status.Used = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("0")}
		b.quotas = append(b.quotas, q)
		return
	}
	item := corev1.LimitRangeItem{
		Type: corev1.LimitTypeContainer,
		Max:  corev1.ResourceList{corev1.ResourceMemory: most},
	}
	if b.by == byPods {
		item.Type = corev1.LimitTypePod
	}
	lr := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "l"}}
	lr.Spec.Limits = append(lr.Spec.Limits, item)
	b.limitRanges = append(b.limitRanges, lr)
}

// raised returns the limit that a volume of a size needs.
func (b *bounded) raised(size int64) int64 {
	after := max(size, b.own, 64)
	costs := func(volume int64) int64 { return up(cost(volume*mib, 0, 4096), mib) / mib }
	return max(b.limit, b.limit+costs(after)-costs(b.own), costs(after)+32)
}

// largest returns the largest size, up to what is wanted, that is admitted; 0 if none is.
func (b *bounded) largest() int64 {
	size := b.wanted
	for size > 0 && b.raised(size) > b.most {
		size--
	}
	return size
}

// The refusal of a Pod whose raise a LimitRange or a quota does not admit names the largest size that
// would fit: it fits, and one MiB more does not.
func largestThatFits(t *rapid.T, r *reached) {
	b := genBounded(t)
	e, after := b.evaluate(t)
	if b.raised(b.wanted) <= b.most {
		if e.Outcome != policy.Mutated && e.Outcome != policy.Compliant {
			t.Fatalf("%d fits in %d, and yet %s", b.raised(b.wanted), b.most, b.told(&e))
		}
		r.Count(t, "it fits", true)
		return
	}
	if e.Outcome != policy.Violating || equal(b.pod, after) != "" {
		t.Fatalf("%d does not fit in %d, and yet %s", b.raised(b.wanted), b.most, b.told(&e))
	}
	if b.own > 0 && b.raised(b.own) > b.most {
		return // not even the volume that is there fits
	}
	largest := b.largest()
	words := fmt.Sprintf("the largest size that would fit is %s:", bytesText(largest))
	if largest == 0 {
		words = "no size would fit"
	}
	if !strings.Contains(e.Detail, words) {
		t.Fatalf("the refusal does not say %q\n%s", words, b.told(&e))
	}
	if largest > 0 {
		b.admits(t, &e, largest, true)
		b.admits(t, &e, largest+1, false)
	}
	r.Count(t, "it fits", false)
	r.Count(t, "a smaller size fits", largest > 0)
	r.Count(t, "no size fits", largest == 0)
	for _, by := range []string{byContainers, byPods, byQuota} {
		r.Count(t, by, b.by == by)
	}
}

// admits checks whether a Pod is admitted under a policy with a size, after the evaluation that named
// the size.
func (b *bounded) admits(t *rapid.T, named *evaluation, size int64, want bool) {
	with := *b.world
	with.policies = []*v1alpha1.SharedMemoryPolicy{fixedPolicy(fmt.Sprintf("%dMi", size))}
	with.policies[0].Spec.Sizing.Min = quantity("1Mi")
	e, _ := with.evaluate(t)
	if got := e.Outcome != policy.Violating; got != want {
		t.Fatalf("%dMi fits: %t\n%s\n%s", size, got, b.told(named), b.told(&e))
	}
}

// bytesText writes whole MiB as messages do.
func bytesText(size int64) string {
	q := resource.NewQuantity(size*mib, resource.BinarySI)
	return q.String()
}

func TestEvaluate_LargestSizeThatFits(t *testing.T) { check(t, largestThatFits) }

func mountedSizes(t *rapid.T, r *reached) {
	weights := usual
	weights.nothing, weights.podLevel, weights.init, weights.sidecar = 1, 6, 7, 6
	pod := genPod(t, "/dev/shm", weights)
	size := mib * int64(rapid.IntRange(0, 4096).Draw(t, "size"))
	e := &corev1.EmptyDirVolumeSource{SizeLimit: resource.NewQuantity(size, resource.BinarySI)}
	subject := subjectOf(pod)
	allocatable := pick[int64](t, "allocatable", 0, 300*mib, 16*gib)
	subject.NodeAllocatable = sizing.Bytes(allocatable)
	want := mountedSize(pod, e)
	if allocatable > 0 {
		want = min(want, allocatable)
	}
	if got := int64(policy.MountedSize(subject, sizing.Bytes(size))); got != want {
		t.Fatalf(
			"a volume of %d is mounted with %d, want %d (the Pod's limit is %d)",
			size,
			got,
			want,
			podLimit(pod),
		)
	}
	r.Count(t, "the Pod has a limit", podLimit(pod) > 0)
	r.Count(t, "it bounds the volume", podLimit(pod) > 0 && podLimit(pod) == want)
	r.Count(t, "the node bounds it", want == allocatable)
	r.Count(t, "pod-level figures", pod.Spec.Resources != nil)
	r.Count(t, "an init container", len(pod.Spec.InitContainers) > 0)
}

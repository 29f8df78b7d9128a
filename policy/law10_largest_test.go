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

// The refusal of a Pod whose raise a LimitRange or a quota does not admit names the largest size that
// would fit: it fits, and one MiB more does not.
func largestThatFits(t *rapid.T, r *reached) {
	wanted := int64(rapid.IntRange(64, 2048).Draw(t, "size"))
	own := pick[int64](t, "own volume", 0, 64, 200, 0, 1500)
	l := int64(rapid.IntRange(100, 600).Draw(t, "limit"))
	if own > wanted {
		own = wanted
	}
	volume := ""
	if own > 0 {
		volume = fmt.Sprintf("%dMi", own)
	}
	most := l + int64(rapid.IntRange(0, 1500).Draw(t, "room"))
	w := &world{
		policies: []*v1alpha1.SharedMemoryPolicy{fixedPolicy(fmt.Sprintf("%dMi", wanted))},
		pod:      podWithVolume(volume),
	}
	w.policies[0].Spec.Overrides = pick(
		t,
		"overrides",
		v1alpha1.OverridesAllowed,
		v1alpha1.OverridesRaiseOnly,
	)
	w.pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{
		Limits: corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse(fmt.Sprintf("%dMi", l)),
		},
		Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
	}
	kind := pick(t, "by", "a LimitRange of containers", "a LimitRange of Pods", "a quota")
	figure := corev1.ResourceList{
		corev1.ResourceMemory: resource.MustParse(fmt.Sprintf("%dMi", most)),
	}
	switch kind {
	case "a quota":
		q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q"}}
		q.Status.Hard = corev1.ResourceList{
			corev1.ResourceLimitsMemory: figure[corev1.ResourceMemory],
		}
		q.Status.Used = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("0")}
		w.quotas = append(w.quotas, q)
	default:
		lr := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "l"}}
		item := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: figure}
		if kind == "a LimitRange of Pods" {
			item.Type = corev1.LimitTypePod
		}
		lr.Spec.Limits = append(lr.Spec.Limits, item)
		w.limitRanges = append(w.limitRanges, lr)
	}
	raised := func(size int64) int64 {
		after := max(size, own, 64)
		costs := func(volume int64) int64 { return up(cost(volume*mib, 0, 4096), mib) / mib }
		return max(l, l+costs(after)-costs(own), costs(after)+32)
	}
	e, after := w.evaluate(t)
	if raised(wanted) <= most {
		if e.Outcome != policy.Mutated && e.Outcome != policy.Compliant {
			t.Fatalf("%d fits in %d, and yet %s", raised(wanted), most, w.told(&e))
		}
		r.Count(t, "it fits", true)
		return
	}
	if e.Outcome != policy.Violating || equal(w.pod, after) != "" {
		t.Fatalf("%d does not fit in %d, and yet %s", raised(wanted), most, w.told(&e))
	}
	if own > 0 && raised(own) > most {
		return // not even the volume that is there fits
	}
	largest := wanted
	for largest > 0 && raised(largest) > most {
		largest--
	}
	words := fmt.Sprintf("the largest size that would fit is %s:", bytesText(largest))
	if largest == 0 {
		words = "no size would fit"
	}
	if !strings.Contains(e.Detail, words) {
		t.Fatalf("the refusal does not say %q\n%s", words, w.told(&e))
	}
	for _, size := range []int64{largest, largest + 1} {
		if largest == 0 {
			break
		}
		smaller := *w
		smaller.policies = []*v1alpha1.SharedMemoryPolicy{fixedPolicy(fmt.Sprintf("%dMi", size))}
		smaller.policies[0].Spec.Sizing.Min = quantity("1Mi")
		got, _ := smaller.evaluate(t)
		if fits := got.Outcome != policy.Violating; fits != (size == largest) {
			t.Fatalf("%dMi fits: %t\n%s\n%s", size, fits, w.told(&e), w.told(&got))
		}
	}
	r.Count(t, "it fits", false)
	r.Count(t, "a smaller size fits", largest > 0)
	r.Count(t, "no size fits", largest == 0)
	r.Count(t, kind, true)
	for _, k := range []string{"a LimitRange of containers", "a LimitRange of Pods", "a quota"} {
		r.Count(t, k, false)
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

package policy_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The generators make Pods and policies that an API server accepts or nearly so, and that
// meet at the mount path far more often than chance would have it.

func pick[T any](t *rapid.T, label string, values ...T) T {
	return rapid.SampledFrom(values).Draw(t, label)
}

var sixteenths = rapid.IntRange(0, 15)

// odds reports whether a draw hits: in about n of 16 cases (in fewer, for a small n). It shrinks to
// false.
func odds(t *rapid.T, label string, n int) bool {
	return n > 0 && sixteenths.Draw(t, label) >= 16-n
}

func ptr[T any](v T) *T { return &v }

func quantity(text string) *resource.Quantity { return ptr(resource.MustParse(text)) }

// weights say how often the generator of Pods does something, in sixteenths.
type weights struct {
	init, sidecar, second, debug              int // containers beside the first
	at, below, beside                         int // mounts of a container
	spelled, twice, odd                       int // of a mount: another spelling, a second one, readOnly or subPath
	wild, unbounded                           int // of a volume: anything but a Memory emptyDir; no sizeLimit
	podLevel, guaranteed, nothing             int // memory figures
	unset                                     int // figures as written, without what an API server fills in
	unaligned                                 int // figures that are not whole MiB
	node                                      int // the node's /dev/shm
	skipped                                   int // Windows, mirror Pods
	device                                    int
	remount, texts                            int
	ours, overrides, crio, vpa                int // annotations
	limitRange, quota                         int
	policies                                  int // a second, third, fourth policy
	otherPath                                 int // of a policy: not /dev/shm
	named, guess, noSizing, onlyMem, excluded int // of a policy
}

// usual are weights that reach a little of everything.
var usual = weights{
	init: 5, sidecar: 4, second: 6, debug: 1,
	at: 6, below: 2, beside: 3,
	spelled: 4, twice: 1, odd: 2, wild: 3, unbounded: 3,
	podLevel: 4, guaranteed: 3, nothing: 3, unset: 3, unaligned: 3,
	node: 1, skipped: 1, device: 1, remount: 1, texts: 4,
	ours: 3, overrides: 2, crio: 2, vpa: 2,
	limitRange: 0, quota: 0,
	policies: 0, otherPath: 3, named: 5, guess: 2, noSizing: 1, excluded: 1,
}

// world is everything that an evaluation depends on.
type world struct {
	policies    []*v1alpha1.SharedMemoryPolicy
	pod         *corev1.Pod
	namespace   map[string]string
	limitRanges []*corev1.LimitRange
	quotas      []*corev1.ResourceQuota
}

func genWorld(t *rapid.T, w weights) *world {
	out := &world{namespace: map[string]string{"app": "b", "team": "x"}}
	out.policies = append(out.policies, genPolicy(t, "p0", w))
	for i := 1; i < 4 && odds(t, "another policy", w.policies); i++ {
		out.policies = append(out.policies, genPolicy(t, fmt.Sprintf("p%d", i), w))
	}
	path := out.policies[0].Spec.MountPath
	if path == "" {
		path = "/dev/shm"
	}
	out.pod = genPod(t, path, w)
	out.limitRanges = genLimitRanges(t, out.pod, w)
	out.quotas = genQuotas(t, out.pod, w)
	return out
}

var (
	limits = []string{"256Mi", "512Mi", "1Gi", "2Gi", "8Gi", "128Mi", "64Mi", "1196Mi"}
	uneven = []string{"300M", "100001", "1500000000", "1e9", "96.5Mi", "1"}
	// sizes of volumes
	bounds = []string{"64Mi", "256Mi", "32Mi", "1Gi", "128Mi", "2Gi", "897Mi", "8Gi"}
	odd    = []string{"500M", "100001", "1G", "1536Ki", "0", "1"}
)

// everyContainer returns the containers of all kinds, in the Pod's order.
func everyContainer(pod *corev1.Pod) []*corev1.Container {
	out := notEphemeral(pod)
	for i := range pod.Spec.EphemeralContainers {
		c := corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		out = append(out, &c)
	}
	return out
}

// notEphemeral returns the init containers, sidecars and regular containers, in the Pod's order.
func notEphemeral(pod *corev1.Pod) []*corev1.Container {
	var out []*corev1.Container
	for i := range pod.Spec.InitContainers {
		out = append(out, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		out = append(out, &pod.Spec.Containers[i])
	}
	return out
}

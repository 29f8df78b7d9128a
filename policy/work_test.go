package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func incident(tb testing.TB) policy.Subject {
	subject, _ := policy.NewSubject(policytest.ParsePod(policytest.IncidentPod))
	subject.NamespaceLabels = map[string]string{
		"kubernetes.io/metadata.name": "authentik",
		v1alpha1.LabelMode:            "enforce",
	}
	return subject
}

func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{20, 500, 5000} {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			set, subject := policytest.ManyPolicies(b, n), incident(b)
			if e := evaluate(set, subject); e.Outcome != policy.Mutated {
				b.Fatal(told(&e))
			}
			b.ReportAllocs()
			for b.Loop() {
				set.Evaluate(subject)
			}
		})
	}
}

// BenchmarkEvaluate_Before does what a validating webhook does for a Pod that nobody mutated.
func BenchmarkEvaluate_Before(b *testing.B) {
	set, subject := policytest.ManyPolicies(b, 500), incident(b)
	b.ReportAllocs()
	for b.Loop() {
		e := set.Evaluate(subject)
		e.Before()
	}
}

// BenchmarkEvaluate_Patch does what a mutating webhook does for each Pod.
func BenchmarkEvaluate_Patch(b *testing.B) {
	set, subject := policytest.ManyPolicies(b, 500), incident(b)
	b.ReportAllocs()
	for b.Loop() {
		set.Evaluate(subject).Plan.Patch(subject)
	}
}

// BenchmarkEvaluate_NotMatched evaluates a Pod that no policy matches.
func BenchmarkEvaluate_NotMatched(b *testing.B) {
	set := policytest.ManyPolicies(b, 500)
	subject, _ := policy.NewSubject(
		policytest.ParsePod(
			"{metadata: {labels: {app: web, tier: front}}, spec: {containers: [{name: web, image: 'registry.example.org/web:1'}]}}",
		),
	)
	if e := evaluate(set, subject); e.Outcome != policy.NotMatched {
		b.Fatal(told(&e))
	}
	b.ReportAllocs()
	for b.Loop() {
		set.Evaluate(subject)
	}
}

// BenchmarkEvaluate_Bounds evaluates a Pod at a quarter, half and the whole of the bounds.
func BenchmarkEvaluate_Bounds(b *testing.B) {
	for _, quarters := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("quarters=%d", quarters), func(b *testing.B) {
			set, subject := policy.NewSet(
				mustCompile(b, fixedPolicy("256Mi")),
			), subjectOf(
				fullPod(quarters),
			)
			b.ReportAllocs()
			for b.Loop() {
				set.Evaluate(subject)
			}
		})
	}
}

// fullPod returns a Pod at some quarters of the bounds.
func fullPod(quarters int) *corev1.Pod {
	pod := &corev1.Pod{}
	for i := range maxContainers / 4 * quarters {
		c := corev1.Container{
			Name: fmt.Sprintf("c%d", i),
			Args: []string{strings.Repeat("/", maxText/maxContainers)},
		}
		for j := range maxMounts / maxContainers {
			name := fmt.Sprintf("v%d", i*maxMounts/maxContainers+j)
			pod.Spec.Volumes = append(
				pod.Spec.Volumes,
				corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
					EmptyDir: &corev1.EmptyDirVolumeSource{
						Medium:    corev1.StorageMediumMemory,
						SizeLimit: quantity("1Mi"),
					},
				}},
			)
			c.VolumeMounts = append(
				c.VolumeMounts,
				corev1.VolumeMount{Name: name, MountPath: fmt.Sprintf("/dev/shm/%d", j)},
			)
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	return pod
}

// Evaluating the incident's Pod allocates no more than the project set itself, however many policies
// there are. (Its time is a matter for the benchmark.)
func TestEvaluate_AllocatesLittle(t *testing.T) {
	for _, n := range []int{500, 5000} {
		set, subject := policytest.ManyPolicies(t, n), incident(t)
		if got := testing.AllocsPerRun(100, func() { set.Evaluate(subject) }); got > 40 {
			t.Errorf("with %d policies: %.0f allocations, want at most 40", n, got)
		}
	}
}

// threeWays returns policies that match by any Pod, by images and paths, and by mounts.
func threeWays() []*v1alpha1.SharedMemoryPolicy {
	out := []*v1alpha1.SharedMemoryPolicy{
		fixedPolicy("256Mi"), fixedPolicy("128Mi"), fixedPolicy("64Mi"),
	}
	out[1].Name, out[2].Name = "images", "mounted"
	out[1].Spec.Match = []v1alpha1.Match{
		{Images: []string{"ghcr.io/*/x", "a*/b*/c*", "*"}},
		{TmpfsPaths: v1alpha1.TmpfsPathsDetect},
	}
	out[1].Spec.Priority = 2
	out[2].Spec.Match = []v1alpha1.Match{{Mounted: ptr(true)}}
	out[2].Spec.Priority = 1
	return out
}

// One Pod of 3 MB, whatever is in it, is answered for within a tenth of a second and in few words.
func TestEvaluate_HugePods(t *testing.T) {
	everything := threeWays()
	many := func(n int, add func(pod *corev1.Pod, c *corev1.Container, i int)) *corev1.Pod {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: make([]corev1.Container, 1, 2)}}
		c := &pod.Spec.Containers[0]
		c.Name = "web"
		for i := range n {
			add(pod, c, i)
		}
		return pod
	}
	for name, pod := range map[string]*corev1.Pod{
		"25,000 mounts of a volume": many(25_000, func(pod *corev1.Pod, c *corev1.Container, i int) {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "v", MountPath: fmt.Sprintf("/dev/shm/../shm/%d", i)})
		}),
		"60,000 mounts of missing volumes": many(60_000, func(pod *corev1.Pod, c *corev1.Container, i int) {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: fmt.Sprint(i), MountPath: "/dev/shm"})
		}),
		"32,000 containers": many(32_000, func(pod *corev1.Pod, _ *corev1.Container, i int) {
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: fmt.Sprint(i), Image: fmt.Sprintf("ghcr.io/%d/y", i)})
		}),
		"40,000 volumes": many(40_000, func(pod *corev1.Pod, c *corev1.Container, i int) {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprint(i)})
			c.VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/dev/shm"}}
		}),
		"an argument of slashes": many(1, func(_ *corev1.Pod, c *corev1.Container, _ int) { c.Args = []string{strings.Repeat("/", 3<<20)} }),
		"an argument that almost names the path": many(1, func(_ *corev1.Pod, c *corev1.Container, _ int) {
			c.Args = []string{strings.Repeat("/dev/shm/../", 3<<20/12)}
		}),
		"100,000 variables": many(100_000, func(_ *corev1.Pod, c *corev1.Container, i int) {
			c.Env = append(c.Env, corev1.EnvVar{Name: "X", Value: "/dev/shm/.."})
		}),
		"a long image": many(1, func(_ *corev1.Pod, c *corev1.Container, _ int) { c.Image = strings.Repeat("a/", 3<<19) }),
		"a long name":  many(1, func(_ *corev1.Pod, c *corev1.Container, _ int) { c.Name = strings.Repeat("\"", 3<<20) }),
		"long annotations": many(1, func(pod *corev1.Pod, _ *corev1.Container, _ int) {
			for _, name := range []string{v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationExempt, "vpaUpdates", "shm-size.crio.io"} {
				annotate(pod, name, strings.Repeat("container 0: memory;", 3<<20/80))
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{policies: everything, pod: pod}
			set, subject := w.set(t), w.subject()
			fastest := time.Hour
			var e evaluation
			for range 5 {
				fastest = min(fastest, cpuTime(t, func() { e = evaluate(set, subject) }))
			}
			if fastest > 100*time.Millisecond {
				t.Errorf("the fastest of five evaluations took %s", fastest)
			}
			if e.Outcome == policy.NotMatched || len(e.Detail) >= maxDetail {
				t.Errorf("%s with a detail of %d bytes", e.Outcome, len(e.Detail))
			}
		})
	}
}

// The steps grow at most in proportion to the Pod up to the bounds, and beyond them there are none
// after matching.
func TestEvaluate_StepsAreProportional(t *testing.T) {
	set := policy.NewSet(mustCompile(t, fixedPolicy("256Mi")))
	steps := func(quarters int) int { return policy.Steps(set, subjectOf(fullPod(quarters))) }
	quarter, half, whole := steps(1), steps(2), steps(4)
	if quarter < maxMounts/4 || half > 2*quarter+64 || whole > 2*half+64 {
		t.Errorf(
			"a quarter of the bounds takes %d steps, half %d and the whole %d",
			quarter,
			half,
			whole,
		)
	}
	beyond := fullPod(4)
	beyond.Spec.Volumes = append(beyond.Spec.Volumes, corev1.Volume{Name: "one too many"})
	if steps := policy.Steps(set, subjectOf(beyond)); steps != 0 {
		t.Errorf("beyond the bounds there are %d steps", steps)
	}
}

package kubelet

import (
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// sessions governs every Pod and raises memory: about 105 MiB of files.
func sessions(t *testing.T, containers ...string) policy.Set {
	t.Helper()
	p := &v1alpha1.SharedMemoryPolicy{}
	p.Name = "sessions"
	p.Spec = v1alpha1.SharedMemoryPolicySpec{
		Match:      v1alpha1.Match{PodSelector: &metav1.LabelSelector{}},
		Containers: containers,
		Memory:     v1alpha1.MemoryRaise,
		Sizing: v1alpha1.Sizing{Files: &v1alpha1.Files{
			CreatedPerMinute: "18", Retention: new(v1alpha1.Duration("24h")), FileSize: resource.MustParse("1500"),
		}},
	}
	compiled, errs := policy.Compile(p)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return policy.NewSet(compiled)
}

// volumesAt are the volumes that containers mount at /dev/shm.
func volumesAt(p *corev1.Pod) map[string]*corev1.Volume {
	out := map[string]*corev1.Volume{}
	eachContainer(&p.Spec, func(c *corev1.Container, _ bool) {
		for _, m := range c.VolumeMounts {
			for i := range p.Spec.Volumes {
				if v := &p.Spec.Volumes[i]; m.MountPath == shm && m.Name == v.Name {
					out[v.Name] = v
				}
			}
		}
	})
	return out
}

// A raise must not turn a Pod that Kubernetes accepts into one that it refuses, nor
// leave one of which the kubelet mounts less than the workload needs.
func TestARaisedPodIsValidAndMountedAsLargeAsNeeded(t *testing.T) {
	const pods = 20_000
	const plenty = policy.Bytes(1 << 50)
	g := generator{rand.New(rand.NewPCG(2, 2))}
	n := newNode(t)
	sets := []policy.Set{sessions(t, "*"), sessions(t, "app-0"), sessions(t, "app-*", "init-0")}
	reached := tally{}
	failures := 0
	for valid := 0; valid < pods && failures < 3; {
		written := g.pod()
		before, errs := stored(t, written)
		if len(errs) > 0 {
			continue
		}
		valid++
		pod, offline := decoded(written), g.IntN(2) == 0
		if offline {
			pod = written.DeepCopy()
		}
		original := pod.DeepCopy()
		allocatable := oneOf(g, 0, plenty, policy.GiB)
		d := oneOf(g, sets...).Decide(subjectOf(pod, allocatable))
		for _, outcome := range []policy.Outcome{policy.Mutated, policy.Compliant, policy.Violating} {
			reached.add("the outcome "+string(outcome), d.Outcome == outcome)
		}
		if d.Outcome != policy.Mutated && d.Outcome != policy.Compliant {
			continue
		}
		d.Apply(subjectOf(pod, allocatable))
		after, errs := stored(t, pod)
		fail := func(format string, args ...any) {
			t.Helper()
			failures++
			t.Errorf(format+"\n%s\nbefore:\n%s\nafter:\n%s", append(args, d.Detail, text(original.Spec), text(pod.Spec))...)
		}
		if len(errs) > 0 {
			fail("the API server refuses the mutated Pod: %v", errs.ToAggregate())
			continue
		}
		if is, was := qos.GetPodQOS(after), qos.GetPodQOS(before); is != was {
			fail("the Pod was %s and is %s", was, is)
		}
		volumes := volumesAt(after)
		if len(volumes) == 0 && d.Reason != policy.NoContainer {
			fail("nothing is mounted at " + shm)
		}
		for _, v := range volumes {
			if allocatable == 0 {
				allocatable = plenty
			}
			if size := n.mounts(t, after, v, allocatable); size < d.Size.Need && d.Reason != policy.NoContainer {
				fail("the kubelet mounts %s and the workload needs %s", size, d.Size.Need)
			}
		}
		reached.add("the outcome Mutated, a pod-level memory limit", d.Outcome == policy.Mutated && after.Spec.Resources != nil && has(after.Spec.Resources.Limits, corev1.ResourceMemory))
		reached.add("the outcome Mutated, the class Guaranteed", d.Outcome == policy.Mutated && qos.GetPodQOS(after) == corev1.PodQOSGuaranteed)
		reached.add("the outcome Mutated, offline", d.Outcome == policy.Mutated && offline)
	}
	reached.check(t, 100)
}

package kubelet

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func subjectOf(pod *corev1.Pod, allocatable sizing.Bytes) policy.Subject {
	s, _ := policy.NewSubject(pod)
	s.NodeAllocatable = allocatable
	return s
}

func text(object any) string {
	out, err := yaml.Marshal(object)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// tally counts what a generator reached, so that a test cannot pass without
// cases.
type tally map[string]int

func (c tally) add(what string, is bool) {
	n := c[what]
	if is {
		n++
	}
	c[what] = n
}

func (c tally) check(t *testing.T, least int) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(c)) {
		t.Logf("%6d %s", c[what], what)
		if c[what] < least {
			t.Errorf("%d Pods with %s, want %d at least", c[what], what, least)
		}
	}
}

func has(l corev1.ResourceList, name corev1.ResourceName) bool {
	q := l[name]
	return !q.IsZero()
}

// describe counts which branches of the kubelet's rule a Pod takes; written is the
// Pod before an API server has filled in pod-level resources.
func (c tally) describe(written, p *corev1.Pod, allocatable, sizeLimit, size sizing.Bytes) {
	for _, class := range []corev1.PodQOSClass{corev1.PodQOSGuaranteed, corev1.PodQOSBurstable, corev1.PodQOSBestEffort} {
		c.add("the class "+string(class), qos.GetPodQOS(p) == class)
	}
	limited, sidecars, once := true, false, false
	eachContainer(&p.Spec, func(ctr *corev1.Container, init bool) {
		limited = limited && has(ctr.Resources.Limits, corev1.ResourceMemory)
		sidecars = sidecars || init && ctr.RestartPolicy != nil
		once = once || init && ctr.RestartPolicy == nil
	})
	podLevel := corev1.ResourceRequirements{}
	if written.Spec.Resources != nil {
		podLevel = *written.Spec.Resources
	}
	podMemory := has(podLevel.Limits, corev1.ResourceMemory)
	c.add("a memory limit on every container", limited)
	c.add("a memory limit on every container, a sidecar and an init container that ends", limited && sidecars && once)
	c.add("a container without memory limit", !limited)
	c.add("a pod-level memory limit and one on every container", podMemory && limited)
	c.add("a pod-level memory limit and a container without", podMemory && !limited)
	c.add("pod-level limits of CPU alone", len(podLevel.Limits) > 0 && !podMemory)
	c.add("pod-level requests alone", len(podLevel.Limits) == 0 && len(podLevel.Requests) > 0)
	c.add("overhead", has(p.Spec.Overhead, corev1.ResourceMemory))
	c.add("overhead and no memory limit", has(p.Spec.Overhead, corev1.ResourceMemory) && !limited && !podMemory)
	c.add("no sizeLimit", sizeLimit == 0)
	c.add("a mount of the sizeLimit", size == sizeLimit)
	c.add("a mount of what the node can allocate", size == allocatable)
	c.add("a mount of the Pod's memory limit, below the sizeLimit", size < sizeLimit && size != allocatable)
	c.add("a mount of the Pod's memory limit, without sizeLimit", sizeLimit == 0 && size != allocatable)
}

// lifted reports whether an API server fills in a pod-level memory limit after
// admission, as it does since 1.37 where pod-level resources name none and every
// container has a limit (PodLevelResourcesFixDefaulting). Webhooks do not see it;
// the engine goes by the lower limit, which an earlier API server leaves.
func lifted(written, pod *corev1.Pod) bool {
	return pod.Spec.Resources != nil && has(pod.Spec.Resources.Limits, corev1.ResourceMemory) &&
		!has(written.Spec.Resources.Limits, corev1.ResourceMemory)
}

// fractions counts the memory limits that are not whole bytes, and the overhead.
func fractions(p *corev1.Pod) int {
	n := 0
	count := func(l corev1.ResourceList) {
		q := l[corev1.ResourceMemory]
		if f := q.AsApproximateFloat64(); f < 1<<50 && f != math.Trunc(f) {
			n++
		}
	}
	eachContainer(&p.Spec, func(c *corev1.Container, _ bool) { count(c.Resources.Limits) })
	count(p.Spec.Overhead)
	return n
}

// The Pod is looked at as the kubelet sees it, and as webhooks and the command line
// do, before an API server has filled in everything.
func TestMountedSize_IsWhatTheKubeletMounts(t *testing.T) {
	const pods = 20_000
	g := generator{rand.New(rand.NewPCG(1, 1))}
	n := newNode(t)
	reached := tally{}
	failures := 0
	for valid := 0; valid < pods; {
		written, allocatable := g.pod(), g.allocatable()
		pod, errs := stored(t, written)
		if len(errs) > 0 {
			continue
		}
		valid++
		v := &pod.Spec.Volumes[0]
		sizeLimit := sizing.Bytes(0)
		if v.EmptyDir.SizeLimit != nil {
			sizeLimit = sizing.BytesOf(*v.EmptyDir.SizeLimit)
		}
		want := n.mounts(t, pod, v, allocatable)
		for who, seen := range map[string]*corev1.Pod{"the kubelet": pod, "a webhook": decoded(written), "the command line": written} {
			got := policy.MountedSize(subjectOf(seen, allocatable), sizeLimit)
			if got < want && seen != pod && lifted(written, pod) {
				reached.add("a pod-level limit that is filled in after admission and mounts more", true)
				continue
			}
			// The engine rounds each fraction of a byte up, and the kubelet their sum.
			if got < want || got > want+sizing.Bytes(max(0, fractions(seen)-1)) {
				t.Errorf("as %s sees it: the kubelet mounts %d and MountedSize is %d, allocatable %d:\n%s", who, want, got, allocatable, text(seen.Spec))
				failures++
			}
		}
		if failures > 2 {
			return
		}
		reached.describe(written, pod, allocatable, sizeLimit, want)
	}
	reached.check(t, 100)
}

func TestMountedSize_KubeletsRule(t *testing.T) {
	type limits struct{ init, sidecar, app, second string } // "-" for no such container
	const none = "-"
	cases := map[string]struct {
		limits    limits
		podLevel  corev1.ResourceRequirements
		overhead  string
		sizeLimit string
		want      sizing.Bytes
	}{
		"a sizeLimit above the Pod's memory limit is lowered to it":     {limits{none, none, "256Mi", none}, corev1.ResourceRequirements{}, "", "512Mi", 256 * sizing.MiB},
		"a sizeLimit below the Pod's memory limit is mounted":           {limits{none, none, "256Mi", none}, corev1.ResourceRequirements{}, "", "100Mi", 100 * sizing.MiB},
		"a sizeLimit of 0 counts as none":                               {limits{none, none, "256Mi", none}, corev1.ResourceRequirements{}, "", "0", 256 * sizing.MiB},
		"no limit and no sizeLimit give what the node can allocate":     {limits{none, none, "", none}, corev1.ResourceRequirements{}, "", "", sizing.GiB},
		"a sizeLimit above what the node can allocate is lowered":       {limits{none, none, "", none}, corev1.ResourceRequirements{}, "", "2Gi", sizing.GiB},
		"one container without a limit lifts the Pod's":                 {limits{none, none, "256Mi", ""}, corev1.ResourceRequirements{}, "", "512Mi", 512 * sizing.MiB},
		"one container with a limit of 0 lifts the Pod's":               {limits{none, none, "256Mi", "0"}, corev1.ResourceRequirements{}, "", "512Mi", 512 * sizing.MiB},
		"an init container without a limit lifts the Pod's":             {limits{"", none, "256Mi", none}, corev1.ResourceRequirements{}, "", "512Mi", 512 * sizing.MiB},
		"a sidecar without a limit lifts the Pod's":                     {limits{none, "", "256Mi", none}, corev1.ResourceRequirements{}, "", "512Mi", 512 * sizing.MiB},
		"the limits of containers add up":                               {limits{none, none, "256Mi", "128Mi"}, corev1.ResourceRequirements{}, "", "512Mi", 384 * sizing.MiB},
		"the limit of a sidecar adds up":                                {limits{none, "100Mi", "256Mi", none}, corev1.ResourceRequirements{}, "", "512Mi", 356 * sizing.MiB},
		"the largest init container counts where it is larger":          {limits{"400Mi", none, "256Mi", none}, corev1.ResourceRequirements{}, "", "512Mi", 400 * sizing.MiB},
		"an init container counts with the sidecars before it":          {limits{"200Mi", "100Mi", "50Mi", none}, corev1.ResourceRequirements{}, "", "512Mi", 300 * sizing.MiB},
		"overhead is added to the limit":                                {limits{none, none, "256Mi", none}, corev1.ResourceRequirements{}, "10Mi", "512Mi", 266 * sizing.MiB},
		"overhead alone is not a limit":                                 {limits{none, none, "", none}, corev1.ResourceRequirements{}, "10Mi", "512Mi", 512 * sizing.MiB},
		"a pod-level limit counts although a container has none":        {limits{none, none, "", none}, corev1.ResourceRequirements{Limits: list("", "300Mi")}, "", "512Mi", 300 * sizing.MiB},
		"a pod-level limit counts instead of the sum":                   {limits{none, none, "100Mi", "100Mi"}, corev1.ResourceRequirements{Limits: list("", "300Mi")}, "", "512Mi", 300 * sizing.MiB},
		"overhead is added to a pod-level limit":                        {limits{none, none, "100Mi", none}, corev1.ResourceRequirements{Limits: list("", "300Mi")}, "10Mi", "512Mi", 310 * sizing.MiB},
		"a pod-level limit of CPU leaves the sum":                       {limits{none, none, "100Mi", "100Mi"}, corev1.ResourceRequirements{Limits: list("2", "")}, "", "512Mi", 200 * sizing.MiB},
		"a pod-level request is not a limit":                            {limits{none, none, "", none}, corev1.ResourceRequirements{Requests: list("", "300Mi")}, "", "512Mi", 512 * sizing.MiB},
		"a pod-level request above the sum of limits becomes the limit": {limits{none, none, "100Mi", none}, corev1.ResourceRequirements{Requests: list("", "300Mi")}, "", "512Mi", 300 * sizing.MiB},
		"a fraction of a byte is rounded up":                            {limits{none, none, "268435456500m", none}, corev1.ResourceRequirements{}, "", "512Mi", 256*sizing.MiB + 1},
	}
	n := newNode(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pod := podWithLimits(c.sizeLimit, c.overhead, c.podLevel, c.limits.init, c.limits.sidecar, c.limits.app, c.limits.second)
			at, errs := stored(t, pod)
			if len(errs) > 0 {
				t.Fatal(errs.ToAggregate())
			}
			sizeLimit := sizing.Bytes(0)
			if l := at.Spec.Volumes[0].EmptyDir.SizeLimit; l != nil {
				sizeLimit = sizing.BytesOf(*l)
			}
			kubelet := n.mounts(t, at, &at.Spec.Volumes[0], sizing.GiB)
			engine := policy.MountedSize(subjectOf(at, sizing.GiB), sizeLimit)
			if kubelet != c.want || engine != c.want {
				t.Errorf("the kubelet mounts %d and MountedSize is %d, want %d", kubelet, engine, c.want)
			}
		})
	}
}

// podWithLimits returns a Pod with a Memory emptyDir and containers with memory limits: "" for none,
// "-" for no such container.
func podWithLimits(sizeLimit, overhead string, podLevel corev1.ResourceRequirements, init, sidecar string, apps ...string) *corev1.Pod {
	p := policytest.NewPod("p", policytest.Namespace("n"), policytest.WithMemoryVolume("shm", sizeLimit))
	if sidecar != "-" {
		policytest.WithSidecar("sidecar", "example:1", policytest.MemoryLimit(sidecar))(p)
	}
	if init != "-" {
		policytest.WithInit("init", "example:1", policytest.MemoryLimit(init))(p)
	}
	for i, memory := range apps {
		if memory != "-" {
			policytest.WithContainer(fmt.Sprintf("app-%d", i), "example:1", policytest.MemoryLimit(memory))(p)
		}
	}
	if len(podLevel.Limits)+len(podLevel.Requests) > 0 {
		p.Spec.Resources = &podLevel
	}
	p.Spec.Overhead = list("", overhead)
	return p
}

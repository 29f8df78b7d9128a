package kubelet

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// sessions matches every Pod and raises memory: about 105 MiB of files.
func sessions(t *testing.T, writers ...string) policy.Set {
	t.Helper()
	p := &v1alpha1.SharedMemoryPolicy{}
	p.Name = "sessions"
	p.Spec = v1alpha1.SharedMemoryPolicySpec{
		Match:   []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}},
		Writers: &v1alpha1.Writers{Names: writers},
		Memory:  v1alpha1.Memory{Handling: v1alpha1.MemoryRaise},
		Sizing: &v1alpha1.Sizing{Files: &v1alpha1.Files{
			CreatedPerMinute: "18", Retention: new(v1alpha1.Duration("24h")), FileSize: resource.MustParse("1500"),
		}},
		Existing: v1alpha1.ExistingSetLimit,
	}
	compiled, errs := policy.Compile(p)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return policy.NewSet(compiled)
}

// planned returns a Pod with a plan applied, by the JSON patch that an API server would get.
func planned(t *testing.T, pod *corev1.Pod, plan policy.Plan) *corev1.Pod {
	t.Helper()
	if plan.Empty() {
		return pod.DeepCopy()
	}
	operations, err := json.Marshal(plan.Patch(subjectOf(pod, 0)))
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	if document, err = patch.Apply(document); err != nil {
		t.Fatalf("%s: %v", operations, err)
	}
	out := &corev1.Pod{}
	if err := json.Unmarshal(document, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// volumesAt returns the volumes that containers have to mount at /dev/shm, by the containers'
// names; nil for a container without.
func volumesAt(p *corev1.Pod, writes func(string) bool) map[string]*corev1.Volume {
	out := map[string]*corev1.Volume{}
	eachContainer(&p.Spec, func(c *corev1.Container, _ bool) {
		if !writes(c.Name) {
			return
		}
		out[c.Name] = nil
		for _, m := range c.VolumeMounts {
			for i := range p.Spec.Volumes {
				if v := &p.Spec.Volumes[i]; m.MountPath == shm && m.Name == v.Name {
					out[c.Name] = v
				}
			}
		}
	})
	return out
}

// A raise must not turn a Pod that Kubernetes accepts into one that it refuses, nor
// leave one of which the kubelet mounts less than the workload needs.
func TestPlan_ValidAndLargeEnough(t *testing.T) {
	const pods = 20_000
	const plenty = sizing.Bytes(1 << 50)
	g := generator{rand.New(rand.NewPCG(2, 2))}
	n := newNode(t)
	policies := []struct {
		set    policy.Set
		writes func(container string) bool
	}{
		{sessions(t, "*"), func(string) bool { return true }},
		{sessions(t, "app-0"), func(name string) bool { return name == "app-0" }},
		{sessions(t, "app-*", "init-0"), func(name string) bool { return name != "init-1" }},
	}
	reached := tally{}
	failures := 0
	for valid := 0; valid < pods && failures < 3; {
		written := g.pod()
		before, errs := stored(t, written)
		if len(errs) > 0 {
			continue
		}
		valid++
		original, offline := decoded(written), g.IntN(2) == 0
		if offline {
			original = written.DeepCopy()
		}
		allocatable := oneOf(g, 0, plenty, sizing.GiB)
		deciding := oneOf(g, policies...)
		d := deciding.set.Evaluate(subjectOf(original, allocatable))
		for _, outcome := range []policy.Outcome{policy.Mutated, policy.Compliant, policy.Violating} {
			reached.add("the outcome "+string(outcome), d.Outcome == outcome)
		}
		if d.Outcome != policy.Mutated && d.Outcome != policy.Compliant {
			continue
		}
		if allocatable == 0 {
			allocatable = plenty
		}
		r := raised{
			written: written, original: original, before: before, pod: planned(t, original, d.Plan), d: &d,
			writes: deciding.writes, allocatable: allocatable,
		}
		r.after, errs = stored(t, r.pod)
		if problem := r.problem(t, n, errs); problem != "" {
			failures++
			t.Errorf("%s\n%s\nbefore:\n%s\nafter:\n%s", problem, d.Detail, text(original.Spec), text(r.pod.Spec))
		}
		mutated, podLevel := d.Outcome == policy.Mutated, r.after.Spec.Resources
		reached.add("the outcome Mutated, a pod-level memory limit", mutated && podLevel != nil && has(podLevel.Limits, corev1.ResourceMemory))
		reached.add("the outcome Mutated, the class Guaranteed", mutated && qos.GetPodQOS(r.after) == corev1.PodQOSGuaranteed)
		reached.add("the outcome Mutated, offline", mutated && offline)
	}
	reached.check(t, 100)
}

// raised is a Pod as written, as a webhook gets it, as it is stored, and with the plan applied: as the
// API server gets it back and as it is stored.
type raised struct {
	written, original, before, pod, after *corev1.Pod

	d           *policy.Evaluation
	writes      func(container string) bool
	allocatable sizing.Bytes // of the node
}

// problem returns what the plan has broken, and the first of the volumes that the kubelet mounts too
// small; "" for nothing.
func (r *raised) problem(t *testing.T, n *node, errs field.ErrorList) string {
	t.Helper()
	if len(errs) > 0 {
		return fmt.Sprintf("the API server refuses the mutated Pod: %v", errs.ToAggregate())
	}
	// Since 1.37 an API server fills in pod-level resources after admission, and
	// by that makes a few Pods Guaranteed that were not for webhooks.
	is, was := qos.GetPodQOS(r.after), qos.GetPodQOS(r.before)
	if is != was && was == qos.GetPodQOS(decoded(r.written)) {
		return fmt.Sprintf("the Pod was %s and is %s", was, is)
	}
	for name, v := range volumesAt(r.after, r.writes) {
		if v == nil {
			return name + " mounts nothing"
		}
		if size := n.mounts(t, r.after, v, r.allocatable); size < r.d.Size.Minimum {
			return fmt.Sprintf("the kubelet mounts %s for %s and %s are required", size, name, r.d.Size.Minimum)
		}
	}
	return ""
}

func TestPlan_KeepsQoSClass(t *testing.T) {
	const none = "-"
	limits := func(cpu, memory string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Limits: list(cpu, memory)}
	}
	both := func(cpu, memory string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Limits: list(cpu, memory), Requests: list(cpu, memory)}
	}
	cases := map[string]struct {
		podLevel     corev1.ResourceRequirements
		sidecar, app string
		want         corev1.PodQOSClass
	}{
		"a pod-level request without a pod-level limit":                            {corev1.ResourceRequirements{Requests: list("", "256Mi")}, none, "256Mi", corev1.PodQOSBurstable},
		"pod-level limits without requests and a container that requests less":     {limits("4", "1Gi"), none, "256Mi", corev1.PodQOSBurstable},
		"pod-level limits without requests and a container that requests nothing":  {limits("4", "1Gi"), none, "", corev1.PodQOSGuaranteed},
		"pod-level requests equal to the limits":                                   {both("4", "1Gi"), none, "256Mi", corev1.PodQOSGuaranteed},
		"pod-level requests equal to the limits, and a sidecar limited above them": {both("4", "1Gi"), "2Gi", none, corev1.PodQOSGuaranteed},
		"no pod-level resources, and a limit of memory alone":                      {limits("", ""), none, "256Mi", corev1.PodQOSBurstable},
		"no resources at all": {limits("", ""), none, "", corev1.PodQOSBestEffort},
	}
	set := sessions(t, "*")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			app := c.app
			if app == none {
				app = ""
			}
			pod := podWithLimits("64Mi", "", c.podLevel, none, c.sidecar, app)
			// A request of the sidecar that the Pod's covers.
			for i := range pod.Spec.InitContainers {
				pod.Spec.InitContainers[i].Resources.Requests = list("", "64Mi")
			}
			before, errs := stored(t, pod)
			if is := qos.GetPodQOS(before); len(errs) > 0 || is != c.want {
				t.Fatalf("before: class %s, want %s; errors %v", is, c.want, errs.ToAggregate())
			}
			pod = decoded(pod)
			d := set.Evaluate(subjectOf(pod, 0))
			if d.Outcome != policy.Mutated {
				t.Fatalf("got %s, want it Mutated: %s", d.Outcome, d.Detail)
			}
			after, errs := stored(t, planned(t, pod, d.Plan))
			if is := qos.GetPodQOS(after); len(errs) > 0 || is != c.want {
				t.Errorf("after: class %s, want %s; errors %v", is, c.want, errs.ToAggregate())
			}
		})
	}
}

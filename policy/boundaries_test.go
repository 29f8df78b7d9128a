package policy_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// readPolicy reads the spec of a policy with the name p.
func readPolicy(t testing.TB, spec string) *v1alpha1.SharedMemoryPolicy {
	t.Helper()
	p := &v1alpha1.SharedMemoryPolicy{}
	p.Name = "p"
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	return p
}

// readWorld reads a policy, a Pod, and perhaps a LimitRange and a ResourceQuota.
func readWorld(t testing.TB, spec, pod, limitRange, quota string) *world {
	t.Helper()
	w := &world{policies: []*v1alpha1.SharedMemoryPolicy{readPolicy(t, spec)}, pod: policytest.ParsePod(pod)}
	if limitRange != "" {
		lr := &corev1.LimitRange{}
		if err := yaml.UnmarshalStrict([]byte(limitRange), lr); err != nil {
			t.Fatal(err)
		}
		w.limitRanges = append(w.limitRanges, lr)
	}
	if quota != "" {
		q := &corev1.ResourceQuota{}
		if err := yaml.UnmarshalStrict([]byte(quota), q); err != nil {
			t.Fatal(err)
		}
		w.quotas = append(w.quotas, q)
	}
	return w
}

// Figures at a boundary and one beyond it. A volume of 256Mi costs 256Mi of pages, 1,041 nodes of a
// page tree and a file: 256.6Mi, so 257Mi in whole MiB, and a writer needs 289Mi with the reserve.
func TestEvaluate_Boundaries(t *testing.T) {
	const (
		fixed   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}"
		require = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Require}}"
		checks  = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, mutation: Disabled}"
		unused  = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi, expectedUsePercent: 0}}}"
		two     = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web, helper]}}"
	)
	web := func(limit, request string) string {
		return "{spec: {containers: [{name: web, resources: {limits: {memory: " + limit + "}, requests: {memory: " + request + "}}}]}}"
	}
	own := func(size, limit string) string {
		return "{spec: {containers: [{name: web, resources: {limits: {memory: '" + limit + "'}, requests: {memory: 64Mi}}, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], " +
			"volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: '" + size + "'}}]}}"
	}
	containers := func(most string) string {
		return "{metadata: {name: l}, spec: {limits: [{type: Container, max: {memory: " + most + "}}]}}"
	}
	ratio := func(kind, most string) string {
		return "{metadata: {name: l}, spec: {limits: [{type: " + kind + ", maxLimitRequestRatio: {memory: '" + most + "'}}]}}"
	}
	quota := func(name, hard, used string) string {
		return "{metadata: {name: q}, status: {hard: {" + name + ": " + hard + "}, used: {" + name + ": " + used + "}}}"
	}
	for name, c := range map[string]boundary{
		"the limit is exactly what is needed":            {policy: fixed, pod: own("256Mi", "289Mi"), outcome: policy.Compliant, size: "256Mi", limit: "289Mi", request: "64Mi"},
		"the limit is a byte below what is needed":       {policy: fixed, pod: own("256Mi", "303038463"), outcome: policy.Mutated, reason: policy.OOMBeforeFull, size: "256Mi", limit: "289Mi", request: "64Mi"},
		"nothing is raised under memory: Require":        {policy: require, pod: own("256Mi", "303038463"), outcome: policy.Violating, reason: policy.OOMBeforeFull, size: "256Mi", limit: "303038463", request: "64Mi"},
		"Require with exactly what is needed":            {policy: require, pod: own("256Mi", "289Mi"), outcome: policy.Compliant, size: "256Mi", limit: "289Mi", request: "64Mi"},
		"the volume is exactly as large as required":     {policy: checks, pod: own("256Mi", "1Gi"), outcome: policy.Compliant, size: "256Mi", limit: "1Gi", request: "64Mi"},
		"the volume is a page too small":                 {policy: checks, pod: own("268431360", "1Gi"), outcome: policy.Violating, reason: policy.TooSmall, size: "268431360", limit: "1Gi", request: "64Mi"},
		"the volume is a page too small and fixed":       {policy: fixed, pod: own("268431360", "1Gi"), outcome: policy.Mutated, reason: policy.TooSmall, size: "256Mi", limit: "1Gi", request: "65Mi"},
		"the volume is a byte larger than whole pages":   {policy: fixed, pod: own("268435457", "1Gi"), outcome: policy.Mutated, reason: policy.NotWholePages, size: "257Mi", limit: "1Gi", request: "64Mi"},
		"a LimitRange admits exactly the raised limit":   {policy: fixed, pod: web("256Mi", "64Mi"), limitRange: containers("513Mi"), outcome: policy.Mutated, reason: policy.NoMount, size: "256Mi", limit: "513Mi", request: "320Mi"},
		"a LimitRange admits a byte less":                {policy: fixed, pod: web("256Mi", "64Mi"), limitRange: containers("537919487"), outcome: policy.Violating, reason: policy.ExceedsLimitRange, limit: "256Mi", request: "64Mi"},
		"a quota leaves exactly the raised limit":        {policy: fixed, pod: web("256Mi", "64Mi"), quota: quota("limits.memory", "1Gi", "511Mi"), outcome: policy.Mutated, reason: policy.NoMount, size: "256Mi", limit: "513Mi", request: "320Mi"},
		"a quota leaves a byte less":                     {policy: fixed, pod: web("256Mi", "64Mi"), quota: quota("limits.memory", "1Gi", "535822337"), outcome: policy.Violating, reason: policy.ExceedsQuota, limit: "256Mi", request: "64Mi"},
		"a quota leaves exactly the raised request":      {policy: fixed, pod: web("256Mi", "64Mi"), quota: quota("requests.memory", "320Mi", "0"), outcome: policy.Mutated, reason: policy.NoMount, size: "256Mi", limit: "513Mi", request: "320Mi"},
		"a quota leaves a byte less for the request":     {policy: fixed, pod: web("256Mi", "64Mi"), quota: quota("memory", "320Mi", "1"), outcome: policy.Violating, reason: policy.ExceedsQuota, limit: "256Mi", request: "64Mi"},
		"a ratio that the raised figures keep":           {policy: fixed, pod: web("512Mi", "64Mi"), limitRange: ratio("Container", "8"), outcome: policy.Mutated, reason: policy.NoMount, size: "256Mi", limit: "769Mi", request: "320Mi"},
		"a ratio that asks for a higher request":         {policy: unused, pod: web("512Mi", "64Mi"), limitRange: ratio("Container", "8"), outcome: policy.Mutated, reason: policy.NoMount, size: "256Mi", limit: "769Mi", request: "97Mi"},
		"a ratio over the Pod asks for a higher request": {policy: unused, pod: web("512Mi", "64Mi"), limitRange: ratio("Pod", "8"), outcome: policy.Mutated, reason: policy.NoMount, size: "256Mi", limit: "769Mi", request: "97Mi"},
		"a ratio of one makes the request the limit":     {policy: unused, pod: web("512Mi", "512Mi"), limitRange: ratio("Container", "1"), outcome: policy.Mutated, reason: policy.NoMount, size: "256Mi", limit: "769Mi", request: "769Mi"},
		"two writers share one volume: the first one's request grows once": {
			policy:  two,
			pod:     "{spec: {containers: [{name: web, resources: {limits: {memory: 512Mi}, requests: {memory: 64Mi}}}, {name: helper, resources: {limits: {memory: 300Mi}, requests: {memory: 32Mi}}}]}}",
			outcome: policy.Mutated, reason: policy.NoMount, size: "256Mi", limit: "769Mi", request: "320Mi",
			second: [2]string{"557Mi", "32Mi"},
		},
		"units by resource": {
			policy:  "{match: [{podSelector: {}}], sizing: {units: {base: 40Mi, each: 64Mi, count: {resources: [nvidia.com/gpu, 'nvidia.com/mig-*']}}}}",
			pod:     "{spec: {containers: [{name: web, resources: {limits: {nvidia.com/gpu: 2, nvidia.com/mig-1g.10gb: 1, memory: 1Gi}, requests: {memory: 64Mi}}}]}}",
			outcome: policy.Mutated, reason: policy.NoMount, size: "232Mi", limit: "1257Mi", request: "296Mi",
		},
		"a share of the memory without the volume": {
			policy:  "{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 50}}}",
			pod:     own("128Mi", "1Gi"), // 1024Mi less the 129Mi that 128Mi cost are 895Mi, half is 447Mi
			outcome: policy.Mutated, reason: policy.TooSmall, size: "447Mi", limit: "1344Mi", request: "383Mi",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.check(t)
		})
	}
}

// boundary is a case with the figures that it ends with.
type boundary struct {
	policy, pod       string
	limitRange, quota string
	outcome           policy.Outcome
	reason            policy.Reason // of a violation before the plan, or what remains
	size              string        // of the first volume
	limit, request    string        // of the first container
	second            [2]string     // the limit and the request of the second container, if any
}

func (c *boundary) check(t *testing.T) {
	t.Helper()
	w := readWorld(t, c.policy, c.pod, c.limitRange, c.quota)
	e, after := w.evaluate(t)
	if e.Outcome != c.outcome {
		t.Fatalf("want %s, got %s", c.outcome, w.told(&e))
	}
	if c.reason != "" && !has(append(e.After, e.Before...), c.reason) {
		t.Errorf("want a violation %s, got %s", c.reason, w.told(&e))
	}
	if c.size != "" {
		if got := after.Spec.Volumes[0].EmptyDir.SizeLimit; got.Cmp(*quantity(c.size)) != 0 {
			t.Errorf("the volume has %s, want %s", got, c.size)
		}
	}
	want := [][2]string{{c.limit, c.request}}
	if c.second != [2]string{} {
		want = append(want, c.second)
	}
	for i, figures := range want {
		r := after.Spec.Containers[i].Resources
		if limit, request := r.Limits.Memory(), r.Requests.Memory(); limit.Cmp(*quantity(figures[0])) != 0 ||
			request.Cmp(*quantity(figures[1])) != 0 {
			t.Errorf("container %d has a limit of %s and a request of %s, want %s\n%s",
				i, limit, request, figures, w.told(&e))
		}
	}
}

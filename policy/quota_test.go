package policy_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// A quota of 600Mi has room for the 512Mi that the Pod has, and not for the 769Mi that it would have:
// it stands in the way if it counts the Pod.
func TestEvaluate_QuotaCountsThePod(t *testing.T) {
	const (
		figures    = "containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]"
		terminates = "{spec: {activeDeadlineSeconds: 60, " + figures + "}}"
		runs       = "{spec: {" + figures + "}}"
		high       = "{spec: {priorityClassName: high, " + figures + "}}"
		elsewhere  = "{spec: {affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone, namespaces: [other]}}]}}, " + figures + "}}"
		selecting  = "{spec: {affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, namespaceSelector: {}}]}}, " + figures + "}}"
		here       = "{spec: {affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}, " + figures + "}}"
	)
	class := func(operator, values string) string {
		return "scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: " + operator + ", values: " + values + "}]}"
	}
	for name, c := range map[string]struct {
		pod, spec string
		counts    bool
	}{
		"without scopes": {runs, "", true},
		"Terminating, and the Pod has a deadline":       {terminates, "scopes: [Terminating]", true},
		"Terminating, and the deadline of the Pod is 0": {"{spec: {activeDeadlineSeconds: 0, " + figures + "}}", "scopes: [Terminating]", true},
		"Terminating, and the Pod has none":             {runs, "scopes: [Terminating]", false},
		"NotTerminating, and the Pod has a deadline":    {terminates, "scopes: [NotTerminating]", false},
		"NotTerminating, and the Pod has none":          {runs, "scopes: [NotTerminating]", true},
		"BestEffort, which a Pod with a limit is not":   {runs, "scopes: [BestEffort]", false},
		"NotBestEffort": {runs, "scopes: [NotBestEffort]", true},
		"two scopes, one of which does not count it":           {runs, "scopes: [NotBestEffort, Terminating]", false},
		"PriorityClass in a list with the Pod's":               {high, class("In", "[low, high]"), true},
		"PriorityClass in a list without the Pod's":            {high, class("In", "[low]"), false},
		"PriorityClass not in a list with the Pod's":           {high, class("NotIn", "[high]"), false},
		"PriorityClass not in a list without the Pod's":        {high, class("NotIn", "[low]"), true},
		"PriorityClass exists, and the Pod has one":            {high, class("Exists", "[]"), true},
		"PriorityClass exists, and the Pod has none":           {runs, class("Exists", "[]"), false},
		"PriorityClass does not exist, and the Pod has one":    {high, class("DoesNotExist", "[]"), false},
		"PriorityClass does not exist, and the Pod has none":   {runs, class("DoesNotExist", "[]"), true},
		"affinity to other namespaces by name":                 {elsewhere, "scopes: [CrossNamespacePodAffinity]", true},
		"affinity to other namespaces by selector":             {selecting, "scopes: [CrossNamespacePodAffinity]", true},
		"affinity within the namespace":                        {here, "scopes: [CrossNamespacePodAffinity]", false},
		"a scope that nobody knows cannot be decided":          {runs, "scopes: [FromTheFuture]", false},
		"an operator that nobody knows cannot be decided":      {high, class("Gt", "[high]"), false},
		"an operator without the values that it needs neither": {high, class("NotIn", "[]"), false},
	} {
		t.Run(name, func(t *testing.T) {
			quota := "{metadata: {name: q}, spec: {" + c.spec + "}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}"
			w := readWorld(
				t,
				"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
				c.pod,
				"",
				quota,
			)
			e, _ := w.evaluate(t)
			want := policy.Mutated
			if c.counts {
				want = policy.Violating
			}
			if e.Outcome != want || has(e.After, policy.ExceedsQuota) != c.counts {
				t.Errorf("the quota counts the Pod: %t, got %s", c.counts, w.told(&e))
			}
		})
	}
}

// What a quota is asked, and what it leaves.
func TestEvaluate_QuotaArithmetic(t *testing.T) {
	const web = "{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]}}"
	status := func(hard, used string) string {
		return "{metadata: {name: q}, status: {hard: {" + hard + "}, used: {" + used + "}}}"
	}
	for name, c := range map[string]struct {
		pod, quota string
		outcome    policy.Outcome
	}{
		"what others use is not left":                          {web, status("limits.memory: 2Gi", "limits.memory: 1280Mi"), policy.Violating},
		"what others use leaves just enough":                   {web, status("limits.memory: 2Gi", "limits.memory: 1279Mi"), policy.Mutated},
		"a Pod that does not fit as it is written is not ours": {web, status("limits.memory: 500Mi", "limits.memory: 0"), policy.Mutated},
		"a quota that is overdrawn leaves nothing":             {web, status("limits.memory: 1Gi", "limits.memory: 2Gi"), policy.Mutated},
		"a quota whose use is not known yet":                   {web, status("limits.memory: 600Mi", ""), policy.Mutated},
		"requests by one name":                                 {web, status("requests.memory: 383Mi", "requests.memory: 0"), policy.Violating},
		"requests by the other name":                           {web, status("memory: 383Mi", "memory: 0"), policy.Violating},
		"requests that just fit":                               {web, status("memory: 384Mi", "memory: 0"), policy.Mutated},
		"overhead counts": {
			"{spec: {overhead: {memory: 100Mi}, containers: [{name: web, image: web, resources: {limits: {memory: 412Mi}, requests: {memory: 128Mi}}}]}}",
			status("limits.memory: 768Mi", "limits.memory: 0"), policy.Violating, // 412Mi + 257Mi + 100Mi
		},
		"overhead counts, and it just fits": {
			"{spec: {overhead: {memory: 100Mi}, containers: [{name: web, image: web, resources: {limits: {memory: 412Mi}, requests: {memory: 128Mi}}}]}}",
			status("limits.memory: 769Mi", "limits.memory: 0"), policy.Mutated,
		},
		"pod-level figures count instead of the containers'": {
			"{spec: {resources: {limits: {memory: 600Mi}, requests: {memory: 600Mi}}, containers: [{name: web, image: web}]}}",
			status("limits.memory: 856Mi", "limits.memory: 0"), policy.Violating, // 600Mi + 257Mi
		},
		"requests of a container without a limit": {
			"{spec: {containers: [{name: web, image: web, resources: {requests: {memory: 128Mi}}}]}}",
			status("requests.memory: 383Mi", "requests.memory: 0"), policy.Violating,
		},
		"requests that an API server fills in from the limit": { // 512Mi, and 256Mi are in use
			"{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}}}]}}",
			status("requests.memory: 767Mi", "requests.memory: 0"), policy.Violating,
		},
		"requests that an API server fills in from the limit, and that just fit": {
			"{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}}}]}}",
			status("requests.memory: 768Mi", "requests.memory: 0"), policy.Mutated,
		},
		"limits where a container has none, which the plugin rejects": {
			"{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}, {name: free, image: free, resources: {requests: {memory: 1Mi}}}]}}",
			status("limits.memory: 600Mi", "limits.memory: 0"), policy.Mutated,
		},
		"limits where a container has none, beside pod-level resources without a figure": {
			"{spec: {resources: {}, containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}, {name: free, image: free, resources: {requests: {memory: 1Mi}}}]}}",
			status("limits.memory: 600Mi", "limits.memory: 0"), policy.Mutated,
		},
		"the pod-level request is filled in from what a container requests": { // 64Mi, not 1Gi and then 1281Mi
			"{spec: {resources: {limits: {memory: 1Gi}}, containers: [{name: web, image: web, resources: {requests: {memory: 64Mi}}}]}}",
			status("requests.memory: 1100Mi", "requests.memory: 0"), policy.Mutated,
		},
		"the pod-level request is filled in from a container's limit": {
			"{spec: {resources: {limits: {memory: 1Gi}}, containers: [{name: web, image: web, resources: {limits: {memory: 64Mi}}}]}}",
			status("requests.memory: 1100Mi", "requests.memory: 0"), policy.Mutated,
		},
		"the pod-level request is filled in from the pod-level limit": { // 1024Mi + 257Mi
			"{spec: {resources: {limits: {memory: 1Gi}}, containers: [{name: web, image: web}]}}",
			status("requests.memory: 1280Mi", "requests.memory: 0"), policy.Violating,
		},
		"a pod-level request alone is not a limit": {
			"{spec: {resources: {requests: {memory: 600Mi}}, containers: [{name: web, image: web}]}}",
			status("limits.memory: 700Mi", "limits.memory: 0"), policy.Mutated,
		},
		"overhead is not a limit": { // 64Mi + 100Mi fit in what is left of the requests, and 256Mi more do not
			"{spec: {overhead: {memory: 100Mi}, resources: {requests: {memory: 64Mi}}, containers: [{name: web, image: web}]}}",
			status("limits.memory: 50Mi, requests.memory: 200Mi", "limits.memory: 0, requests.memory: 0"), policy.Violating,
		},
		"an init container counts if it needs more than the rest": {
			"{spec: {initContainers: [{name: seed, image: seed, resources: {limits: {memory: 1Gi}, requests: {memory: 1Gi}}}], containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]}}",
			status("limits.memory: 1Gi", "limits.memory: 0"), policy.Mutated, // 769Mi run later than 1Gi
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(
				t,
				"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
				c.pod,
				"",
				c.quota,
			)
			e, _ := w.evaluate(t)
			if e.Outcome != c.outcome {
				t.Errorf("want %s, got %s", c.outcome, w.told(&e))
			}
		})
	}
}

// A quota that does not count the Pod does not hide the next one.
func TestEvaluate_QuotaBehindOthers(t *testing.T) {
	w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}",
		"{spec: {containers: [{name: web, image: web, resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}]}}", "",
		"{metadata: {name: q}, status: {hard: {limits.memory: 600Mi}, used: {limits.memory: 0}}}")
	var empty, other corev1.ResourceQuota
	other.Status = w.quotas[0].Status
	other.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	w.quotas = []*corev1.ResourceQuota{&empty, &other, w.quotas[0]}
	e, _ := w.evaluate(t)
	if !has(e.After, policy.ExceedsQuota) {
		t.Errorf("want a violation %s, got %s", policy.ExceedsQuota, told(&e))
	}
}

// The view of a Pod from its JSON has no resources where the Pod names none.
func TestEvaluate_QuotaAndPodWithoutResources(t *testing.T) {
	const pod = `{"spec": {"resources": {"limits": {"memory": "1Gi"}}, "containers": [` +
		`{"name": "plain"}, {"name": "web", "resources": {"requests": {"memory": "64Mi"}}}]}}`
	w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}", pod, "",
		"{metadata: {name: q}, status: {hard: {requests.memory: 1100Mi}, used: {requests.memory: 0}}}")
	if outcome := sameByView(t, w, []byte(pod)); outcome != policy.Mutated {
		t.Errorf("want %s, got %s", policy.Mutated, outcome)
	}
}

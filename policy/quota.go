package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// ExceedsQuota: with the memory that is added for the volume the Pod no longer fits
// in what a ResourceQuota leaves, and without it would have fitted. The API server's
// quota plugin would refuse the Pod, for an amount that nobody wrote; so the refusal
// is ours. A Pod that does not fit as its owner wrote it is left to the plugin.
func checkQuota(j *judged, r *report) {
	if !j.policy.mutates || j.policy.memory != v1alpha1.MemoryRaise || len(j.subject.ResourceQuotas) == 0 {
		return
	}
	raised := j.quotaUsage(asItIs)
	if raised == j.unraised {
		return
	}
	var exceeded report
	for _, quota := range j.subject.ResourceQuotas {
		if len(quota.Status.Hard) == 0 || !j.inScopes(quota) {
			continue
		}
		for _, name := range [...]corev1.ResourceName{corev1.ResourceLimitsMemory, corev1.ResourceRequestsMemory, corev1.ResourceMemory} {
			hard, limited := quota.Status.Hard[name]
			used, known := quota.Status.Used[name]
			if !limited || !known {
				continue
			}
			rest := hard.DeepCopy()
			rest.Sub(used)
			left, needs, had := BytesOf(rest), raised.of(name), j.unraised.of(name)
			if had > left || !j.specifies(name) {
				return
			}
			if needs > left {
				exceeded.add(ExceedsQuota, "", "the Pod needs %s of %s, of which shmkeeper adds %s for a %s of %s, and ResourceQuota %q leaves %s of its %s: raise %s under spec.hard of the ResourceQuota to at least %s, or lower the size by %s",
					needs, name, needs.Minus(had), j.policy.mountPath, j.size.Limit, quota.Name, left, hard.String(),
					name, BytesOf(used).Plus(needs).RoundUp(MiB), j.policy.sizing.less())
			}
		}
	}
	r.violations = append(r.violations, exceeded.violations...)
}

// quotaUsage is what the quota plugin counts of a Pod's memory.
type quotaUsage struct{ limits, requests Bytes }

// of is the usage of a resource that a ResourceQuota names; "memory" is another
// name of requests.memory.
func (u quotaUsage) of(name corev1.ResourceName) Bytes {
	if name == corev1.ResourceLimitsMemory {
		return u.limits
	}
	return u.requests
}

// asItIs is a limit and request as they stand.
func asItIs(m *memoryState) quotaUsage { return quotaUsage{m.limit, requestOf(m)} }

// withoutRaise is a limit and request without what the record says was added. A
// false record changes who tells a refusal, not whether there is one: the plugin
// counts what is there.
func withoutRaise(m *memoryState) quotaUsage {
	u := asItIs(m)
	if m.recorded.countsLimit(m) {
		u.limits = u.limits.Minus(m.recorded.LimitAdded)
	}
	if m.recorded.countsRequest(m) {
		u.requests = u.requests.Minus(m.recorded.RequestAdded)
	}
	return u
}

// quotaUsage counts as the quota plugin does at creation (k8s.io/kubernetes,
// pkg/quota/v1/evaluator/core, PodUsageFunc): a pod-level limit or request, or else
// what the containers have together, and overhead on top.
func (st *podState) quotaUsage(part func(*memoryState) quotaUsage) quotaUsage {
	u := quotaUsage{
		limits:   st.sumOf(func(m *memoryState) Bytes { return part(m).limits }),
		requests: st.sumOf(func(m *memoryState) Bytes { return part(m).requests }),
	}
	pod := part(&st.pod)
	switch {
	case st.pod.hasRequest:
		u.requests = pod.requests
	case st.pod.limit > 0 && !st.anyNames(corev1.ResourceMemory):
		u.requests = pod.limits // as an API server fills it in
	}
	if st.pod.limit > 0 {
		u.limits = pod.limits
	}
	if u.limits > 0 {
		u.limits = u.limits.Plus(st.overhead)
	}
	u.requests = u.requests.Plus(st.overhead)
	return u
}

// unraisedUsage is the usage without what a mutation adds or has added. Where an API
// server may fill in a pod-level limit, it is the higher of the two: a Pod that does
// not fit in that does not fit without the raise either.
func (st *podState) unraisedUsage() quotaUsage {
	u := st.quotaUsage(withoutRaise)
	if st.pod.limit == 0 && st.pod.hasRequest && st.limitFilledIn() {
		u.limits = max(u.limits, st.pod.request.Plus(st.overhead))
	}
	return u
}

// specifies says whether each container has what the plugin asks for before it
// counts: a limit where a quota has limits.memory, and else a request.
func (st *podState) specifies(name corev1.ResourceName) bool {
	if r := st.subject.Spec.Resources; r != nil && len(r.Requests)+len(r.Limits) > 0 {
		return true
	}
	for i := range st.containers {
		c := &st.containers[i]
		_, found := c.resources.Limits[corev1.ResourceMemory] // an API server makes it the request too
		if name != corev1.ResourceLimitsMemory {
			found = found || c.memory.hasRequest
		}
		if c.role != ephemeral && !found {
			return false
		}
	}
	return true
}

// inScopes says whether a quota counts a Pod whose memory was raised. Where that
// cannot be told, it is false.
func (st *podState) inScopes(quota *corev1.ResourceQuota) bool {
	for _, scope := range quota.Spec.Scopes {
		if !st.inScope(&corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists}) {
			return false
		}
	}
	if quota.Spec.ScopeSelector == nil {
		return true
	}
	for i := range quota.Spec.ScopeSelector.MatchExpressions {
		if !st.inScope(&quota.Spec.ScopeSelector.MatchExpressions[i]) {
			return false
		}
	}
	return true
}

func (st *podState) inScope(r *corev1.ScopedResourceSelectorRequirement) bool {
	spec := st.subject.Spec
	switch r.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return isTerminating(spec)
	case corev1.ResourceQuotaScopeNotTerminating:
		return !isTerminating(spec)
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !st.perhapsBestEffort()
	case corev1.ResourceQuotaScopePriorityClass:
		return st.inPriorityClass(r)
	case corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return crossesNamespaces(spec.Affinity)
	default: // BestEffort is one: a Pod of which memory was raised has a limit
		return false
	}
}

func isTerminating(spec *corev1.PodSpec) bool {
	return spec.ActiveDeadlineSeconds != nil && *spec.ActiveDeadlineSeconds >= 0
}

// perhapsBestEffort says whether an API server may take a Pod for BestEffort although
// a container has a memory limit: pod-level resources that name neither CPU nor
// memory are read in one way by some versions and in another by others.
func (st *podState) perhapsBestEffort() bool {
	r := st.subject.Spec.Resources
	if r == nil {
		return false
	}
	for _, list := range [...]corev1.ResourceList{r.Requests, r.Limits} {
		for _, name := range [...]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if q := list[name]; !q.IsZero() {
				return false
			}
		}
	}
	return true
}

// inPriorityClass is false for a template that names no class: its Pods get that of
// the cluster, if there is one.
func (st *podState) inPriorityClass(r *corev1.ScopedResourceSelectorRequirement) bool {
	name := st.subject.Spec.PriorityClassName
	if name == "" && st.subject.Pointer != "" {
		return false
	}
	if r.Operator == corev1.ScopeSelectorOpExists {
		return name != ""
	}
	var operator selection.Operator
	switch r.Operator {
	case corev1.ScopeSelectorOpIn:
		operator = selection.In
	case corev1.ScopeSelectorOpNotIn:
		operator = selection.NotIn
	case corev1.ScopeSelectorOpDoesNotExist:
		operator = selection.DoesNotExist
	default:
		return false
	}
	requirement, err := labels.NewRequirement(string(r.ScopeName), operator, r.Values)
	if err != nil {
		return false
	}
	var class labels.Set
	if name != "" {
		class = labels.Set{string(r.ScopeName): name}
	}
	return requirement.Matches(class)
}

func crossesNamespaces(a *corev1.Affinity) bool {
	if a == nil {
		return false
	}
	term := func(t *corev1.PodAffinityTerm) bool { return len(t.Namespaces) > 0 || t.NamespaceSelector != nil }
	required := func(t corev1.PodAffinityTerm) bool { return term(&t) }
	preferred := func(t corev1.WeightedPodAffinityTerm) bool { return term(&t.PodAffinityTerm) }
	with, against := a.PodAffinity, a.PodAntiAffinity
	return with != nil && (slices.ContainsFunc(with.RequiredDuringSchedulingIgnoredDuringExecution, required) ||
		slices.ContainsFunc(with.PreferredDuringSchedulingIgnoredDuringExecution, preferred)) ||
		against != nil && (slices.ContainsFunc(against.RequiredDuringSchedulingIgnoredDuringExecution, required) ||
			slices.ContainsFunc(against.PreferredDuringSchedulingIgnoredDuringExecution, preferred))
}

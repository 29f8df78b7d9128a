package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// ExceedsQuota: with the memory that is added for the volume the Pod no longer fits
// in what a ResourceQuota leaves, and without it would have fitted. The API server's
// quota plugin would reject the Pod, for an amount that nobody wrote; so the Pod is left as it
// is, and the refusal of what is missing names the largest size that would fit. A Pod that does
// not fit as its owner wrote it is left to the plugin.
func (v *view) quotaViolations(before *view, p *Plan, most int) []Violation {
	if len(v.subject.ResourceQuotas) == 0 {
		return nil
	}
	needs, had := v.quotaUsage(), before.quotaUsage()
	if needs == had {
		return nil
	}
	var out findings
	for _, quota := range v.subject.ResourceQuotas {
		if len(quota.Status.Hard) == 0 || !v.inScopes(quota) {
			continue
		}
		for _, name := range [...]corev1.ResourceName{corev1.ResourceLimitsMemory, corev1.ResourceRequestsMemory, corev1.ResourceMemory} {
			hard, limited := quota.Status.Hard[name]
			used, known := quota.Status.Used[name]
			if !limited || !known {
				continue
			}
			remaining := hard.DeepCopy()
			remaining.Sub(used)
			if v.subject.counted {
				remaining.Add(*had.of(name).Quantity())
			}
			left := sizing.BytesOf(remaining)
			if had.of(name) > left || !before.specifies(name) {
				return nil
			}
			if needs.of(name) > left && len(out) < most {
				out.add(ExceedsQuota, "", "the Pod would need %s of %s, of which %s are for a %s of %s, and ResourceQuota %s leaves %s of its %s",
					needs.of(name), name, needs.of(name).Minus(had.of(name)), v.policy.mountPath, v.plannedSize(p), quote(quota.Name), left, hard.String())
			}
		}
	}
	return out
}

// quotaUsage is what the quota plugin counts of a Pod's memory.
type quotaUsage struct{ limits, requests sizing.Bytes }

// of returns the usage of a resource that a ResourceQuota names; "memory" is another
// name of requests.memory.
func (u quotaUsage) of(name corev1.ResourceName) sizing.Bytes {
	if name == corev1.ResourceLimitsMemory {
		return u.limits
	}
	return u.requests
}

// quotaUsage counts as the quota plugin does at creation (k8s.io/kubernetes,
// pkg/quota/v1/evaluator/core, PodUsageFunc): a pod-level limit or request, or else
// what the containers have together, and overhead on top.
func (v *view) quotaUsage() quotaUsage {
	u := quotaUsage{limits: v.sumOf(limitOf), requests: v.sumOf(requestOf)}
	switch {
	case v.pod.namesRequest:
		u.requests = v.pod.request
	case v.pod.limit > 0 && !v.anyNames(corev1.ResourceMemory):
		u.requests = v.pod.limit // as an API server fills it in
	}
	switch {
	case v.pod.limit > 0:
		u.limits = v.pod.limit
	case v.pod.namesRequest && v.limitFilledIn():
		// Since 1.37 it fills in a pod-level limit too, at least as large as the request. What
		// does not fit in that does not fit.
		u.limits = max(u.limits, v.pod.request)
	}
	if u.limits > 0 {
		u.limits = u.limits.Plus(v.overhead)
	}
	u.requests = u.requests.Plus(v.overhead)
	return u
}

// specifies reports whether each container has what the plugin asks for before it
// counts: a limit where a quota has limits.memory, and else a request.
func (v *view) specifies(name corev1.ResourceName) bool {
	return v.hasPodLevel() || v.all(func(c *container) bool {
		// An API server makes a limit the request too.
		return c.memory.namesLimit || c.memory.namesRequest && name != corev1.ResourceLimitsMemory
	})
}

// inScopes reports whether a quota counts a Pod whose memory was raised. If that
// cannot be told, it is false.
func (v *view) inScopes(quota *corev1.ResourceQuota) bool {
	for _, scope := range quota.Spec.Scopes {
		if !v.inScope(&corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists}) {
			return false
		}
	}
	if quota.Spec.ScopeSelector == nil {
		return true
	}
	for i := range quota.Spec.ScopeSelector.MatchExpressions {
		if !v.inScope(&quota.Spec.ScopeSelector.MatchExpressions[i]) {
			return false
		}
	}
	return true
}

func (v *view) inScope(r *corev1.ScopedResourceSelectorRequirement) bool {
	spec := &v.subject.Pod.Spec
	switch r.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return isTerminating(spec)
	case corev1.ResourceQuotaScopeNotTerminating:
		return !isTerminating(spec)
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !v.mayBeBestEffort()
	case corev1.ResourceQuotaScopePriorityClass:
		return v.inPriorityClass(r)
	case corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return crossesNamespaces(spec.Affinity)
	default: // BestEffort is one: a Pod of which memory was raised has a limit
		return false
	}
}

func isTerminating(spec *SpecView) bool {
	return spec.ActiveDeadlineSeconds != nil && *spec.ActiveDeadlineSeconds >= 0
}

// mayBeBestEffort reports whether an API server may take a Pod for BestEffort although
// a container has a memory limit: pod-level resources that name neither CPU nor
// memory are read in one way by some versions and in another by others.
func (v *view) mayBeBestEffort() bool {
	r := v.subject.Pod.Spec.Resources
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

// inPriorityClass reports whether a quota is for the Pod's class. It is false for a template that
// names no class: its Pods get that of the cluster, if there is one.
func (v *view) inPriorityClass(r *corev1.ScopedResourceSelectorRequirement) bool {
	name := v.subject.Pod.Spec.PriorityClassName
	if name == "" && v.subject.Pointer != "" {
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

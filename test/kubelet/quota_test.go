package kubelet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	quota "k8s.io/apiserver/pkg/quota/v1"
	"k8s.io/kubernetes/pkg/quota/v1/evaluator/core"
	"k8s.io/utils/clock"

	"github.com/shmkeeper/shmkeeper/policy"
)

// quotaPlugin is the code with which an API server holds a Pod against quotas.
type quotaPlugin struct{ quota.Evaluator }

func newQuotaPlugin() quotaPlugin { return quotaPlugin{core.NewPodEvaluator(nil, clock.RealClock{})} }

// uses returns what the plugin counts of a Pod.
func (p quotaPlugin) uses(t *testing.T, pod *corev1.Pod) corev1.ResourceList {
	t.Helper()
	// Where a quantity is stored as a fraction ("2.5Gi"), the plugin's sum adds the
	// overhead to the Pod's own.
	usage, err := p.Usage(pod.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	return usage
}

// refuses returns why the plugin refuses to have a Pod created; nil if it does not.
func (p quotaPlugin) refuses(pod *corev1.Pod, quotas []*corev1.ResourceQuota) error {
	list := make([]corev1.ResourceQuota, len(quotas))
	for i, q := range quotas {
		list[i] = *q.DeepCopy()
	}
	create := admission.NewAttributesRecord(pod.DeepCopy(), nil, corev1.SchemeGroupVersion.WithKind("Pod"), "n", "p",
		corev1.SchemeGroupVersion.WithResource("pods"), "", admission.Create, &metav1.CreateOptions{}, false, nil)
	_, err := resourcequota.CheckRequest(list, create, p.Evaluator, nil)
	return err
}

// quotas returns quotas that leave about as much as a Pod needs before or after the raise.
func (g generator) quotas(before, after corev1.ResourceList) []*corev1.ResourceQuota {
	out := make([]*corev1.ResourceQuota, 1+g.IntN(2))
	for i := range out {
		q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("q-%d", i), Namespace: "n"}}
		q.Status.Hard, q.Status.Used = corev1.ResourceList{}, corev1.ResourceList{}
		for _, name := range []corev1.ResourceName{corev1.ResourceLimitsMemory, corev1.ResourceRequestsMemory, corev1.ResourceMemory} {
			if g.IntN(2) == 0 {
				continue
			}
			hard := oneOf(g, before, after, after)[name]
			hard.Add(oneOf(g, resource.MustParse("-1"), resource.Quantity{}, resource.MustParse("1"), resource.MustParse("1Gi")))
			used := oneOf(g, resource.Quantity{}, resource.MustParse("1.5Gi"), resource.MustParse("8Ei"))
			hard.Add(used)
			if g.IntN(40) == 0 {
				used = hard.DeepCopy()
				used.Add(resource.MustParse("1Mi"))
			}
			q.Status.Hard[name], q.Status.Used[name] = hard, used
		}
		if g.IntN(4) == 0 {
			q.Status.Hard[corev1.ResourcePods], q.Status.Used[corev1.ResourcePods] = resource.MustParse("5"), resource.MustParse("1")
		}
		g.scopes(q)
		q.Spec.Hard = q.Status.Hard
		out[i] = q
	}
	return out
}

func (g generator) scopes(q *corev1.ResourceQuota) {
	all := []corev1.ResourceQuotaScope{
		corev1.ResourceQuotaScopeTerminating, corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopeBestEffort,
		corev1.ResourceQuotaScopeNotBestEffort, corev1.ResourceQuotaScopePriorityClass, corev1.ResourceQuotaScopeCrossNamespacePodAffinity,
	}
	if g.IntN(4) == 0 {
		q.Spec.Scopes = append(q.Spec.Scopes, oneOf(g, all...))
	}
	if g.IntN(4) > 0 {
		return
	}
	q.Spec.ScopeSelector = &corev1.ScopeSelector{}
	for range 1 + g.IntN(2) {
		r := corev1.ScopedResourceSelectorRequirement{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: oneOf(g,
			corev1.ScopeSelectorOpExists, corev1.ScopeSelectorOpDoesNotExist, corev1.ScopeSelectorOpIn, corev1.ScopeSelectorOpNotIn)}
		if r.Operator == corev1.ScopeSelectorOpIn || r.Operator == corev1.ScopeSelectorOpNotIn {
			r.Values = oneOf(g, []string{"high"}, []string{"low"}, []string{"high", "low"})
		}
		if g.IntN(3) == 0 {
			r = corev1.ScopedResourceSelectorRequirement{ScopeName: oneOf(g, all...), Operator: corev1.ScopeSelectorOpExists}
		}
		q.Spec.ScopeSelector.MatchExpressions = append(q.Spec.ScopeSelector.MatchExpressions, r)
	}
}

// scoped returns a Pod that quotas with scopes are about, or are not.
func (g generator) scoped(p *corev1.Pod) *corev1.Pod {
	p.Spec.PriorityClassName = oneOf(g, "", "high", "low")
	p.Spec.ActiveDeadlineSeconds = oneOf(g, nil, nil, new(int64(60)))
	term := oneOf(g,
		corev1.PodAffinityTerm{}, corev1.PodAffinityTerm{Namespaces: []string{"other"}}, corev1.PodAffinityTerm{NamespaceSelector: &metav1.LabelSelector{}})
	term.TopologyKey = corev1.LabelHostname
	weighted := []corev1.WeightedPodAffinityTerm{{Weight: 1, PodAffinityTerm: term}}
	switch g.IntN(6) {
	case 0:
		p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}}
	case 1:
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}}
	case 2:
		p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: weighted}}
	case 3:
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: weighted}}
	}
	return p
}

// podMemory returns the pod-level memory limit and request, as texts.
func podMemory(p *corev1.Pod) [2]string {
	if p.Spec.Resources == nil {
		return [2]string{}
	}
	return [2]string{p.Spec.Resources.Limits.Memory().String(), p.Spec.Resources.Requests.Memory().String()}
}

// ambiguous reports whether a Pod has pod-level resources without CPU and memory: some
// versions of Kubernetes then go by the containers, and to others it is BestEffort.
func ambiguous(p *corev1.Pod) bool {
	r := p.Spec.Resources
	return r != nil && !has(r.Limits, corev1.ResourceCPU) && !has(r.Requests, corev1.ResourceCPU) &&
		!has(r.Limits, corev1.ResourceMemory) && !has(r.Requests, corev1.ResourceMemory)
}

// scopedByClass reports whether a quota is for Pods that are not BestEffort.
func scopedByClass(q *corev1.ResourceQuota) bool {
	return slices.Contains(q.Spec.Scopes, corev1.ResourceQuotaScopeNotBestEffort) || q.Spec.ScopeSelector != nil &&
		slices.ContainsFunc(q.Spec.ScopeSelector.MatchExpressions, func(r corev1.ScopedResourceSelectorRequirement) bool {
			return r.ScopeName == corev1.ResourceQuotaScopeNotBestEffort
		})
}

// speaksOfQuota reports whether an evaluation says that a quota does not admit the memory: in the
// violations of a Pod that is rejected, or in a warning of one that needs nothing else.
func speaksOfQuota(e *policy.Evaluation) bool {
	return slices.ContainsFunc(e.After, func(v policy.Violation) bool { return v.Reason == policy.ExceedsQuota }) ||
		slices.ContainsFunc(e.Warnings, func(text string) bool { return strings.Contains(text, "and ResourceQuota ") })
}

// A Pod is left alone for a quota exactly if the quota plugin would refuse the raised Pod and would
// not have refused the Pod as written. ExceedsQuota is never the only ground of a refusal, so a Pod
// that was raised before the quota filled up is left to the plugin.
func TestEvaluate_QuotaAsThePluginSays(t *testing.T) {
	const pods = 10_000
	g := generator{rand.New(rand.NewPCG(3, 3))}
	plugin := newQuotaPlugin()
	sets := []policy.Set{sessions(t, "*"), sessions(t, "app-0"), sessions(t, "app-*", "init-0")}
	reached := tally{}
	failures := 0
	for valid := 0; valid < pods && failures < 3; {
		written := g.scoped(g.pod())
		before, errs := stored(t, written)
		if len(errs) > 0 || fractions(written) > 0 { // of which the engine counts whole bytes
			continue
		}
		pod, set := decoded(written), oneOf(g, sets...)
		unasked := set.Evaluate(subjectOf(pod, 0))
		if unasked.Outcome != policy.Mutated && unasked.Outcome != policy.Compliant {
			continue
		}
		after, errs := stored(t, planned(t, pod, unasked.Plan))
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		valid++
		quotas := g.quotas(plugin.uses(t, before), plugin.uses(t, after))
		if ambiguous(written) && slices.ContainsFunc(quotas, scopedByClass) {
			continue // such a quota is passed over
		}
		q := quotaCase{set: set, quotas: quotas, written: written, before: before, after: after, unasked: &unasked}
		q.byPlugin(plugin)
		if !q.agree(t, pod) {
			failures++
		}
		q.count(reached)
	}
	reached.check(t, 100)
}

// quotaCase is a Pod with quotas: as written, as stored, and as raised and stored.
type quotaCase struct {
	set                    policy.Set
	quotas                 []*corev1.ResourceQuota
	written, before, after *corev1.Pod
	unasked                *policy.Evaluation // without quotas

	unraisedErr, raisedErr error // of the plugin
	first                  policy.Evaluation
}

// byPlugin asks the quota plugin about the Pod as written and about the raised one.
func (q *quotaCase) byPlugin(plugin quotaPlugin) {
	q.unraisedErr, q.raisedErr = plugin.refuses(q.before, q.quotas), plugin.refuses(q.after, q.quotas)
}

// want reports whether the raise exceeds a quota: only the raised Pod is refused.
func (q *quotaCase) want() bool { return q.unraisedErr == nil && q.raisedErr != nil }

func (q *quotaCase) ask(s policy.Subject) policy.Evaluation {
	s.ResourceQuotas = q.quotas
	return q.set.Evaluate(s)
}

// agree reports whether the engine says what the plugin says of a Pod as the API server sends it.
func (q *quotaCase) agree(t *testing.T, pod *corev1.Pod) bool {
	t.Helper()
	// A validating webhook sees the Pod that was left alone, or the mutated one.
	q.before.ManagedFields = managed(q.written.DeepCopy()).ManagedFields
	q.after.ManagedFields = q.before.ManagedFields
	q.first = q.ask(subjectOf(pod, 0))
	left := q.ask(subjectOf(q.before, 0).WithoutDefaults())
	mutated := q.ask(subjectOf(q.after, 0).WithoutDefaults())
	leftAlone := q.unasked.Outcome == policy.Mutated && q.first.Outcome != policy.Mutated
	ok, want := true, q.want()
	if leftAlone != want || speaksOfQuota(&q.first) != want || speaksOfQuota(&left) != want {
		ok = false
		t.Errorf("the plugin says %v of the Pod as written and %v of the raised one; by us it is %s as written, %s when it was left alone\n%s\nquotas:\n%s\nwritten:\n%s\nraised:\n%s",
			q.unraisedErr, q.raisedErr, q.first.Outcome, left.Outcome, q.first.Detail, text(q.quotas), text(q.written.Spec), text(q.after.Spec))
	}
	if mutated.Outcome != policy.Compliant || speaksOfQuota(&mutated) {
		ok = false
		t.Errorf("the mutated Pod is %s: %s", mutated.Outcome, mutated.Detail)
	}
	return ok
}

// count counts the kinds of cases that were met.
func (q *quotaCase) count(reached tally) {
	want, spec, told := q.want(), &q.after.Spec, fmt.Sprint(q.raisedErr)
	scoped := slices.ContainsFunc(q.quotas, func(rq *corev1.ResourceQuota) bool {
		return (len(rq.Spec.Scopes) > 0 || rq.Spec.ScopeSelector != nil) && strings.Contains(told, "exceeded quota: "+rq.Name+",")
	})
	podLevel := spec.Resources != nil && has(spec.Resources.Limits, corev1.ResourceMemory)
	reached.add("the raise exceeding a quota", want)
	reached.add("the raise exceeding a quota, of a Pod that violates something", want && q.first.Outcome == policy.Violating)
	reached.add("the raise exceeding a quota with scopes", want && scoped)
	reached.add("a pod-level memory limit and the raise exceeding a quota", want && podLevel)
	reached.add("overhead and the raise exceeding a quota", want && has(spec.Overhead, corev1.ResourceMemory))
	reached.add("a sidecar or init container and the raise exceeding a quota", want && len(spec.InitContainers) > 0)
	reached.add("limits.memory exceeded by the raise", want && strings.Contains(told, "requested: limits.memory"))
	reached.add("requests.memory exceeded by the raise", want && strings.Contains(told, "requests.memory="))
	reached.add("no room as written", q.unraisedErr != nil)
	reached.add("a container without what a quota asks for", strings.Contains(fmt.Sprint(q.unraisedErr), "must specify"))
	reached.add("room for the raise", q.raisedErr == nil && q.unasked.Outcome == policy.Mutated)
}

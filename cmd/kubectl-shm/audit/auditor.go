package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/live"
	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/internal/limitrange"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// auditor evaluates Pods as they are read, and keeps of each workload what people read about it: the
// memory that it needs grows with the workloads and not with their Pods.
type auditor struct {
	policies   *live.Policies
	namespaces live.Namespaces
	owners     *live.Owners
	library    audit.Library

	workloads map[live.Workload]*workload
	templates map[live.Workload]podTemplate
	pods      int // looked at
	unmatched int // Pods that no policy matches
}

// podTemplate is what a workload's Pods are made of, evaluated.
type podTemplate struct {
	workload live.Workload
	replicas int
	verdict  verdict
}

// pod evaluates a Pod. One that has ended or is being deleted counts for nothing.
func (a *auditor) pod(pod *corev1.Pod) {
	read := audit.PodOf(pod)
	if read.Over() {
		return
	}
	a.pods++
	f := audit.Evaluate(a.policies.Set, a.namespaces, read)
	if exceedsQuota(f.Rejections) {
		// A quota is to be raised to what all Pods would need, those that it keeps out included.
		admitted := audit.Evaluate(a.policies.Set, withoutQuotas{a.namespaces}, read)
		f.Before, f.After = admitted.Before, admitted.After
	}
	v := verdictOf(f)
	if v.outcome == policy.NotMatched {
		a.unmatched++
		if !a.suggest(&v, read) {
			return
		}
	}
	name := a.owners.Of(pod)
	w := a.workloads[name]
	if w == nil {
		w = &workload{Workload: name}
		a.workloads[name] = w
	}
	w.add(pod.Name, &v)
}

// withoutQuotas is what is known of namespaces but for their quotas.
type withoutQuotas struct{ live.Namespaces }

// ResourceQuotas returns none.
func (withoutQuotas) ResourceQuotas(string) []*corev1.ResourceQuota { return nil }

func exceedsQuota(violations []policy.Violation) bool {
	return slices.ContainsFunc(violations, func(x policy.Violation) bool { return x.Reason == policy.ExceedsQuota })
}

// template evaluates the template of a workload. ok is false for one that nothing is said about.
func (a *auditor) template(object runtime.Object, selects func(map[string]string) bool) (t podTemplate, ok bool) {
	s, ok := policy.NewSubject(object)
	if !ok || !selects(s.Pod.Metadata.Labels) {
		return podTemplate{}, false
	}
	a.namespaces.Complete(&s)
	admitted, _ := limitrange.Apply(s)
	t = podTemplate{replicas: replicasOf(object), verdict: a.verdictOfTemplate(admitted)}
	t.workload = live.Workload{APIVersion: versionOf(object), Kind: s.Kind, Namespace: s.Namespace, Name: s.Name}
	return t, t.verdict.outcome != policy.NotMatched
}

// versionOf returns what an ownerReference to the object has as its apiVersion.
func versionOf(object runtime.Object) string {
	if _, ok := object.(*batchv1.CronJob); ok {
		return batchv1.SchemeGroupVersion.String()
	}
	return appsv1.SchemeGroupVersion.String()
}

// replicasOf returns how many Pods a workload is to have now.
func replicasOf(object runtime.Object) int {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return replicas(o.Spec.Replicas)
	case *appsv1.StatefulSet:
		return replicas(o.Spec.Replicas)
	case *appsv1.DaemonSet:
		return int(o.Status.DesiredNumberScheduled)
	default:
		return 0 // a CronJob has Pods while it runs
	}
}

func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// verdict is what people read about an evaluation. It shares no memory with the Pod.
type verdict struct {
	outcome    policy.Outcome
	mode       v1alpha1.Mode // the effective one; empty in a namespace that has not opted in
	policy     string
	reason     policy.Reason
	detail     string
	sizeLimit  string
	violations []policy.Violation
	warnings   []string

	before, after policy.Usage
	quotas        []*corev1.ResourceQuota // that count it
}

// verdictOfTemplate returns the verdict on a Pod that a workload would create.
func (a *auditor) verdictOfTemplate(s policy.Subject) verdict {
	e := a.policies.Set.Evaluate(s)
	f := audit.Finding{Outcome: e.Outcome, Policy: e.Policy, Reason: e.Reason, Detail: e.Detail, Rejections: e.After, Warnings: e.Warnings, Limit: e.Size.Limit}
	if mode, ok := a.namespaces.Mode(s.Namespace); ok {
		f.Mode = policy.EffectiveMode(mode, e.Mode)
	}
	f.Before, f.After, _ = e.Usage()
	for _, q := range a.namespaces.ResourceQuotas(s.Namespace) {
		if e.CountedBy(q) {
			f.Quotas = append(f.Quotas, q)
		}
	}
	return verdictOf(f)
}

// verdictOf returns what people read of a finding.
func verdictOf(f audit.Finding) verdict {
	v := verdict{
		outcome: f.Outcome, mode: f.Mode, policy: f.Policy, reason: f.Reason, detail: strings.Clone(f.Detail),
		violations: f.Rejections, warnings: f.Warnings, before: f.Before, after: f.After, quotas: f.Quotas,
	}
	if f.Limit > 0 {
		v.sizeLimit = f.Limit.Quantity().String()
	}
	return v
}

// suggest reports whether a Pod that no policy matches looks like a writer, and says what to do.
func (a *auditor) suggest(v *verdict, pod *audit.Pod) bool {
	name, writes := a.library.Suggest(a.namespaces, pod)
	switch {
	case !writes:
		return false
	case name != "":
		v.detail = fmt.Sprintf("no policy matches it, and policy %q of the library would: look at it with kubectl shm policies %s, and apply it", name, name)
	default:
		v.detail = "no policy matches it, and its settings name or mount /dev/shm: write a policy, or start from kubectl shm policies"
	}
	return true
}

// severities are the outcomes from the one that matters most.
var severities = []policy.Outcome{policy.Violating, policy.Mutated, policy.NotMatched, policy.Exempt, policy.Skipped, policy.Compliant}

func severity(o policy.Outcome) int { return slices.Index(severities, o) }

// workload is what is known of one, from its Pods and its template.
type workload struct {
	live.Workload
	// worst is the verdict on the Pod that is worst off, which example names; of a workload without
	// Pods, and of one whose template is worse, that on the template.
	worst   verdict
	example string
	// pods counts the Pods by outcome.
	pods     map[policy.Outcome]int
	running  int
	replicas int // that it has or is to have, whichever is more

	before, after policy.Usage
	quotas        map[*corev1.ResourceQuota]change
}

// change is what the memory that a quota counts would change by.
type change struct{ requests, limits int64 }

// add adds the verdict on one Pod.
func (w *workload) add(name string, v *verdict) {
	if w.running == 0 || severity(v.outcome) < severity(w.worst.outcome) {
		w.worst, w.example = *v, name
	}
	if w.pods == nil {
		w.pods = map[policy.Outcome]int{}
	}
	w.pods[v.outcome]++
	w.running++
	w.replicas = max(w.replicas, w.running)
	w.sum(v, 1, true)
}

// sum adds the memory of so many Pods. counted reports whether quotas count them already.
func (w *workload) sum(v *verdict, pods int64, counted bool) {
	for range pods {
		w.before.Requests, w.before.Limits = w.before.Requests.Plus(v.before.Requests), w.before.Limits.Plus(v.before.Limits)
		w.after.Requests, w.after.Limits = w.after.Requests.Plus(v.after.Requests), w.after.Limits.Plus(v.after.Limits)
	}
	for _, q := range v.quotas {
		if w.quotas == nil {
			w.quotas = map[*corev1.ResourceQuota]change{}
		}
		c := w.quotas[q]
		add := change{int64(v.after.Requests), int64(v.after.Limits)}
		if counted {
			add.requests -= int64(v.before.Requests)
			add.limits -= int64(v.before.Limits)
		}
		c.requests += pods * add.requests
		c.limits += pods * add.limits
		w.quotas[q] = c
	}
}

// addTemplate adds what the template says: Pods that are not there, and that the next ones would be
// rejected.
func (w *workload) addTemplate(t *podTemplate) {
	if missing := t.replicas - w.running; missing > 0 {
		w.sum(&t.verdict, int64(missing), false)
		w.replicas = t.replicas
	}
	if w.running == 0 || t.verdict.outcome == policy.Violating && w.worst.outcome != policy.Violating {
		w.worst, w.example = t.verdict, ""
	}
}

// report sums up what was read.
func (a *auditor) report() *report {
	for name, t := range a.templates {
		w := a.workloads[name]
		if w == nil {
			w = &workload{Workload: name}
			a.workloads[name] = w
		}
		w.addTemplate(&t)
	}
	r := &report{whose: a.policies.Whose, policies: len(a.policies.Sources), pods: a.pods, unmatched: a.unmatched}
	for _, w := range a.workloads {
		r.workloads = append(r.workloads, w)
	}
	slices.SortFunc(r.workloads, func(a, b *workload) int {
		return cmp.Or(
			cmp.Compare(severity(a.worst.outcome), severity(b.worst.outcome)), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.APIVersion, b.APIVersion),
		)
	})
	r.sum(a.namespaces)
	return r
}

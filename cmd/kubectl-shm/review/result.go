package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/limitrange"
	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// result represents what would happen to a workload.
type result struct {
	workload
	policy.Evaluation
	// mode is the effective one: the least of the command line's, the namespace's and the policy's.
	mode v1alpha1.Mode
	// patch is empty if the mode is less than Enforce.
	patch []jsonpatch.Operation
	// warnings are the engine's, and what else can go wrong.
	warnings []string
	// notes say what the result is based on, and what else is known of a Pod that no policy matches.
	notes []string
}

// enforced reports whether the webhook would act, and not only report.
func (r result) enforced() bool { return r.mode == v1alpha1.Enforce }

func (r result) rejected() bool { return r.Outcome == policy.Violating && r.enforced() }

// violation returns a sentence about one violation, as the webhook says it.
func (r result) violation(v policy.Violation) string { return r.Sentence(r.enforced(), v) }

// settings represents what a review assumes about the cluster.
type settings struct {
	policies []policyfile.Policy
	mirrors  policy.Mirrors
	mode     v1alpha1.Mode
	labels   map[string]string // of every namespace, before those of its Namespace
}

// reviewer evaluates the workloads of an input.
type reviewer struct {
	in       *input
	settings settings
	set      policy.Set
	nearby   *nearby
}

func newReviewer(in *input, s settings) (*reviewer, error) {
	compiled := make([]policy.Policy, len(s.policies))
	for i, l := range s.policies {
		compiled[i] = l.Compiled
	}
	near, err := newNearby(s)
	return &reviewer{in: in, settings: s, set: policy.NewSet(compiled...).WithImageMirrors(s.mirrors), nearby: near}, err
}

// results says what would happen to the workloads, in their order.
func (r *reviewer) results() ([]result, error) {
	results := make([]result, 0, len(r.in.workloads))
	for _, w := range r.in.workloads {
		w.subject.NamespaceLabels = r.namespaceLabels(w.subject.Namespace)
		w.subject.LimitRanges = r.in.limitRanges[w.subject.Namespace]
		w.subject.ResourceQuotas = r.in.quotas[w.subject.Namespace]
		result, err := r.review(w)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, nil
}

// review says what would happen to one workload.
//
// The webhook sees a Pod with what LimitRanges give it, so that is what is evaluated. The patch is
// fitted to the object as it is written.
func (r *reviewer) review(w workload) (result, error) {
	admitted, given := limitrange.Apply(w.subject)
	invalid := aboveLimit(admitted.Pod)
	if invalid != "" {
		admitted, given = w.subject, nil // no such Pod reaches the webhook
	}
	out := result{workload: w, Evaluation: r.set.Evaluate(admitted)}
	out.warnings = slices.Clone(out.Evaluation.Warnings)
	if invalid != "" {
		out.warnings = append(out.warnings, invalid)
	}
	out.mode = r.effectiveMode(&out)
	if out.Outcome == policy.NotMatched {
		out.notes = append(out.notes, r.nearby.notes(admitted)...)
		return out, nil
	}
	if p, ok := r.deciding(&out); ok && p.Source.Spec.Sizing == nil {
		// A policy that only checks may have stepped in for one that sizes and does not quite match.
		if miss := r.nearby.nearest(admitted); miss != "" {
			out.notes = append(out.notes, miss)
		}
	}
	if len(given) > 0 && r.set.Evaluate(w.subject).Detail != out.Detail {
		out.notes = append(out.notes, given.String()+", with which it is evaluated")
	}
	if out.Outcome != policy.Mutated && out.Outcome != policy.Compliant {
		return out, nil
	}
	ops := out.Plan.Patch(admitted)
	out.warnings = append(out.warnings, r.scalerWarnings(&out, ops)...)
	if w.fixed {
		if len(ops) > 0 {
			out.notes = append(out.notes, "the change is made in the Pods and not written here, as the object holds no whole Pod template: "+cli.FieldOf(w.subject.Pointer)+" stays as it is")
		}
		return out, nil
	}
	f := &fitting{root: w.subject.Pointer, text: w.object.JSON}
	if err := f.apply(ops); err != nil {
		return result{}, err
	}
	if err := f.keepRequests(admitted); err != nil {
		return result{}, err
	}
	pod, err := f.pod()
	if err != nil {
		return result{}, err
	}
	if warning := r.noLimit(&out, pod); warning != "" {
		out.warnings = append(out.warnings, warning)
	}
	if out.enforced() {
		out.patch = f.ops
	}
	return out, nil
}

// aboveLimit says which container requests more memory than a LimitRange makes its limit; empty for
// none. An API server rejects such a Pod.
func aboveLimit(pod *policy.PodView) string {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		limit, request := memoryOf(c.Resources)
		if limit != nil && request != nil && request.Cmp(*limit) > 0 {
			return fmt.Sprintf("container %q requests %s, and a LimitRange gives it a memory limit of %s, so the API server rejects the Pod: set a limit of at least %s",
				c.Name, request, limit, request)
		}
	}
	return ""
}

// effectiveMode returns the mode that counts for a result, and warns of a label that is none.
func (r *reviewer) effectiveMode(out *result) v1alpha1.Mode {
	mode := policy.EffectiveMode(r.settings.mode, out.Mode)
	text, found := out.subject.NamespaceLabels[v1alpha1.LabelMode]
	if !found {
		return mode
	}
	label, err := policy.ParseMode(text)
	if err != nil {
		out.warnings = append([]string{fmt.Sprintf("namespace %q: label %s: %v", out.subject.Namespace, v1alpha1.LabelMode, err)}, out.warnings...)
	}
	return policy.EffectiveMode(mode, label)
}

func (r *reviewer) namespaceLabels(namespace string) map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, r.in.labels[namespace])
	maps.Copy(labels, r.settings.labels)
	labels[corev1.LabelMetadataName] = namespace // the API server sees to that
	return labels
}

// scalerWarnings warns of autoscalers that act on a memory request that is raised.
func (r *reviewer) scalerWarnings(out *result, ops []jsonpatch.Operation) []string {
	if !slices.ContainsFunc(ops, func(op jsonpatch.Operation) bool { return strings.Contains(op.Path, "/resources") }) {
		return nil
	}
	var warnings []string
	for _, s := range r.in.scalers {
		if !s.OnMemory || s.Namespace != out.subject.Namespace || s.TargetKind != out.object.Kind || s.TargetName != out.object.Name {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s %q %s", s.Kind, s.Name, scalerEffect(s)))
	}
	return warnings
}

// scalerEffect says what a raised request means to an autoscaler.
func scalerEffect(s podtemplate.Scaler) string {
	switch {
	case s.Kind != "VerticalPodAutoscaler":
		return "compares the memory in use with the request, which is raised, so it scales out later: lower its target, or scale by another metric"
	case s.Writes:
		return "replaces the raised request and limit by figures from measured use: set its minAllowed.memory to what the process and the volume need"
	default:
		return "recommends requests from measured use, which includes what is in the volume: do not add the volume to them again"
	}
}

// noLimit warns of a volume in a Pod that nothing limits, if no LimitRange is known: one that the
// namespace has would give the Pod a limit that does not pay for the volume.
func (r *reviewer) noLimit(out *result, pod *policy.PodView) string {
	if limit, _ := memoryOf(pod.Spec.Resources); limit != nil || out.Size.Limit == 0 || len(out.subject.LimitRanges) > 0 {
		return ""
	}
	p, ok := r.deciding(out)
	if !ok {
		return ""
	}
	// The names are those that the controller gives, and may not be written.
	named := slices.Concat(out.subject.Pod.Spec.InitContainers, out.subject.Pod.Spec.Containers)
	for i, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		volume, found := volumeAt(pod, &c, p.Compiled.MountPath())
		if limit, _ := memoryOf(c.Resources); !found || limit != nil {
			continue
		}
		cost := out.Size.MemoryCostOf(volume).Plus(p.Reserve()).RoundUp(sizing.MiB)
		return fmt.Sprintf("container %q has no memory limit: %s one below %s, it is OOM-killed before %s is full: set a limit, or add the LimitRange to the input",
			named[i].Name, unknownLimitRange, cost.Quantity(), p.Compiled.MountPath())
	}
	return ""
}

// deciding returns the policy that decides about a result.
func (r *reviewer) deciding(out *result) (policyfile.Policy, bool) {
	i := slices.IndexFunc(r.settings.policies, func(l policyfile.Policy) bool { return l.Compiled.Name() == out.Policy })
	if i < 0 {
		return policyfile.Policy{}, false
	}
	return r.settings.policies[i], true
}

// unknownLimitRange begins what is said about a LimitRange that may be there.
const unknownLimitRange = "if a LimitRange of the namespace gives it"

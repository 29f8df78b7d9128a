package reviewer

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

// Result represents what would happen to a workload. Its warnings are the engine's, and what else
// can go wrong.
type Result struct {
	Workload
	policy.Evaluation
	// Effective is the mode that counts: the least of the command line's, the namespace's and the
	// policy's.
	Effective v1alpha1.Mode
	// Patch changes the object as it is written; empty if the mode is less than Enforce. Fix is what it is in
	// mode Enforce.
	Patch, Fix []jsonpatch.Operation
	// Notes say what the result is based on, and what else is known of a Pod that no policy matches.
	Notes []string
	// Current are the figures of a Pod as it is, and Planned those in mode enforce. Both are zero for a Pod that no
	// policy matches.
	Current, Planned Figures
}

// Enforced reports whether the webhook would act, and not only report.
func (r Result) Enforced() bool { return r.Effective == v1alpha1.Enforce }

// Rejected reports whether the webhook would reject the Pod.
func (r Result) Rejected() bool { return r.Outcome == policy.Violating && r.Enforced() }

// Changed reports whether the webhook would change the Pod.
func (r Result) Changed() bool { return r.Outcome == policy.Mutated && r.Enforced() }

// SentenceOf returns a sentence about one violation, as the webhook says it.
func (r Result) SentenceOf(v policy.Violation) string { return r.Sentence(r.Enforced(), v) }

// Settings represents what a review assumes about the cluster.
type Settings struct {
	Policies []policyfile.Policy
	Mirrors  policy.Mirrors
	Mode     v1alpha1.Mode
	Labels   map[string]string // of every namespace, before those of its Namespace
}

// Reviewer evaluates the workloads of an input.
type Reviewer struct {
	in       *Input
	settings Settings
	set      policy.Set
	nearby   *nearby
}

// New returns a Reviewer of an input.
func New(in *Input, s Settings) (*Reviewer, error) {
	compiled := make([]policy.Policy, len(s.Policies))
	for i, l := range s.Policies {
		compiled[i] = l.Compiled
	}
	near, err := newNearby(s)
	return &Reviewer{in: in, settings: s, set: policy.NewSet(compiled...).WithImageMirrors(s.Mirrors), nearby: near}, err
}

// Results says what would happen to the workloads, in their order. What cannot be changed as it has to
// be is a problem of the input, and left out.
func (r *Reviewer) Results() []Result {
	all, errs := make([]Result, len(r.in.Workloads)), make([]error, len(r.in.Workloads))
	each(len(all), func(i int) {
		w := r.in.Workloads[i]
		w.Subject.NamespaceLabels = r.namespaceLabels(w.Subject.Namespace)
		w.Subject.LimitRanges = r.in.limitRanges[w.Subject.Namespace]
		w.Subject.ResourceQuotas = r.in.quotas[w.Subject.Namespace]
		all[i], errs[i] = r.review(w)
	})
	results := make([]Result, 0, len(all))
	for i := range all {
		if errs[i] != nil {
			r.in.problem(errs[i])
			continue
		}
		results = append(results, all[i])
	}
	return results
}

// review says what would happen to one workload.
//
// The webhook sees a Pod with what LimitRanges give it, so that is what is evaluated. The patch is
// fitted to the object as it is written.
func (r *Reviewer) review(w Workload) (Result, error) {
	admitted, given := limitrange.Apply(w.Subject)
	invalid := aboveLimit(admitted.Pod)
	if invalid != "" {
		admitted, given = w.Subject, nil // no such Pod reaches the webhook
	}
	out := Result{Workload: w, Evaluation: r.set.Evaluate(admitted)}
	out.Warnings = slices.Clone(out.Evaluation.Warnings)
	if invalid != "" {
		out.Warnings = append(out.Warnings, invalid)
	}
	out.Effective = r.effectiveMode(&out)
	if out.Outcome == policy.NotMatched {
		out.Notes = append(out.Notes, r.nearby.notes(admitted)...)
		return out, nil
	}
	if err := r.addFigures(&out, admitted); err != nil {
		return Result{}, err
	}
	if p, ok := r.deciding(&out); ok && p.Source.Spec.Sizing == nil {
		// A policy that only checks may have stepped in for one that sizes and does not quite match.
		if miss := r.nearby.nearest(admitted); miss != "" {
			out.Notes = append(out.Notes, miss)
		}
	}
	if len(given) > 0 && r.set.Evaluate(w.Subject).Detail != out.Detail {
		out.Notes = append(out.Notes, given.String()+", with which it is evaluated")
	}
	if out.Outcome != policy.Mutated && out.Outcome != policy.Compliant {
		return out, nil
	}
	ops := out.Plan.Patch(admitted)
	out.Warnings = append(out.Warnings, r.scalerWarnings(&out, ops)...)
	if w.Fixed {
		if len(ops) > 0 {
			out.Notes = append(out.Notes, "the change is made in the Pods and not written here, as the object holds no whole Pod template: "+cli.FieldOf(w.Subject.Pointer)+" stays as it is")
		}
		return out, nil
	}
	f, err := newFitting(w.Subject.Pointer, w.Object.JSON)
	if err != nil {
		return Result{}, err
	}
	if err := f.apply(ops); err != nil {
		return Result{}, err
	}
	if err := f.keepRequests(admitted); err != nil {
		return Result{}, err
	}
	pod, err := f.pod()
	if err != nil {
		return Result{}, err
	}
	if warning := r.noLimit(&out, pod); warning != "" {
		out.Warnings = append(out.Warnings, warning)
	}
	out.Fix = f.ops
	if out.Enforced() {
		out.Patch = f.ops
	}
	return out, nil
}

// addFigures fills in the figures of a Pod, as it is and as it is planned.
func (r *Reviewer) addFigures(out *Result, admitted policy.Subject) error {
	mountPath := cli.DevShm
	if p, ok := r.deciding(out); ok {
		mountPath = p.Compiled.MountPath()
	}
	pod, err := planned(admitted, out.Plan.Patch(admitted))
	if err != nil {
		return err
	}
	out.Current, out.Planned = figuresOf(admitted.Pod, mountPath), figuresOf(pod, mountPath)
	return nil
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

// effectiveMode returns the mode that counts for a result, and warns of an invalid label.
func (r *Reviewer) effectiveMode(out *Result) v1alpha1.Mode {
	mode := policy.EffectiveMode(r.settings.Mode, out.Mode)
	text, found := out.Subject.NamespaceLabels[v1alpha1.LabelMode]
	if !found {
		return mode
	}
	label, err := policy.ParseMode(text)
	if err != nil {
		out.Warnings = append([]string{fmt.Sprintf("namespace %q: label %s: %v", out.Subject.Namespace, v1alpha1.LabelMode, err)}, out.Warnings...)
	}
	return policy.EffectiveMode(mode, label)
}

func (r *Reviewer) namespaceLabels(namespace string) map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, r.in.labels[namespace])
	maps.Copy(labels, r.settings.Labels)
	labels[corev1.LabelMetadataName] = namespace // the API server sees to that
	return labels
}

// scalerWarnings warns of autoscalers that act on a memory request that is raised.
func (r *Reviewer) scalerWarnings(out *Result, ops []jsonpatch.Operation) []string {
	if !slices.ContainsFunc(ops, func(op jsonpatch.Operation) bool { return strings.Contains(op.Path, "/resources") }) {
		return nil
	}
	var warnings []string
	for _, s := range r.in.scalers {
		if !s.OnMemory || s.Namespace != out.Subject.Namespace || s.TargetKind != out.Object.Kind || s.TargetName != out.Object.Name {
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
func (r *Reviewer) noLimit(out *Result, pod *policy.PodView) string {
	if limit, _ := memoryOf(pod.Spec.Resources); limit != nil || out.Size.Limit == 0 || len(out.Subject.LimitRanges) > 0 {
		return ""
	}
	p, ok := r.deciding(out)
	if !ok {
		return ""
	}
	// The names are those that the controller gives, and may not be written.
	named := slices.Concat(out.Subject.Pod.Spec.InitContainers, out.Subject.Pod.Spec.Containers)
	for i, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		volume, found := volumeAt(pod, &c, p.Compiled.MountPath())
		if limit, _ := memoryOf(c.Resources); !found || limit != nil {
			continue
		}
		cost := out.Size.MemoryCostOf(volume).Plus(p.Reserve()).RoundUp(sizing.MiB)
		return fmt.Sprintf("container %q has no memory limit: %s one below %s, it is OOM-killed before %s is full: set a limit, or add the LimitRange to the input",
			named[i].Name, UnknownLimitRange, cost.Quantity(), p.Compiled.MountPath())
	}
	return ""
}

// deciding returns the policy that decides about a result.
func (r *Reviewer) deciding(out *Result) (policyfile.Policy, bool) {
	i := slices.IndexFunc(r.settings.Policies, func(l policyfile.Policy) bool { return l.Compiled.Name() == out.Policy })
	if i < 0 {
		return policyfile.Policy{}, false
	}
	return r.settings.Policies[i], true
}

// UnknownLimitRange begins what is said about a LimitRange that may be there.
const UnknownLimitRange = "if a LimitRange of the namespace gives it"

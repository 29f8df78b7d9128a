package webhook

import (
	"context"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// MutatePods changes Pods at CREATE in namespaces that enforce. FAILS OPEN: a Pod
// that it cannot change passes, and is then judged by EnforcePods as it is.
func MutatePods(o Options) admission.Handler {
	return &guarded{name: "mutate", metrics: o.Metrics, stance: failOpen, handle: o.mutatePod}
}

// EnforcePods refuses Pods that violate their policy, in namespaces that enforce:
// at CREATE and UPDATE, and when containers are added for debugging or resources
// changed in place. It judges the final state, whoever wrote it. FAILS CLOSED: a
// Pod must not slip through because shmkeeper is down.
func EnforcePods(o Options) admission.Handler {
	return &guarded{name: "enforce", metrics: o.Metrics, stance: failClosed, handle: o.enforcePod}
}

// ReportPods says what enforcing would do, in namespaces that warn or audit. FAILS
// OPEN: it never refuses anything.
func ReportPods(o Options) admission.Handler {
	return &guarded{name: "report", metrics: o.Metrics, stance: failOpen, handle: o.reportPod}
}

func (o *Options) mutatePod(_ context.Context, req admission.Request) (admission.Response, error) {
	subject, err := o.pod(&req, false)
	if err != nil {
		return admission.Response{}, err
	}
	// Whether a quota has room changes from one moment to the next, so it is asked once, by the webhook that refuses: a Pod that was left alone
	// here for a quota that has room there would be refused for its missing volume.
	subject.ResourceQuotas = nil
	d := o.Cluster.Policies().Decide(subject)
	mode := policy.EffectiveMode(o.MaxMode, d.Mode)
	o.Metrics.decided("mutate", d, mode)
	if d.Outcome != policy.Mutated || mode != v1alpha1.Enforce {
		return allow(nil, nil), nil
	}
	return change(d.JSONPatch(subject), annotations(d, mode)), nil
}

func (o *Options) enforcePod(_ context.Context, req admission.Request) (admission.Response, error) {
	// That the namespace enforces is what the API server called us for; it knows
	// the label better than our cache.
	return o.judgePod(&req, "enforce", v1alpha1.Enforce, nil)
}

func (o *Options) reportPod(_ context.Context, req admission.Request) (admission.Response, error) {
	labels, _ := o.Cluster.NamespaceLabels(req.Namespace)
	mode, warnings := namespaceMode(labels)
	return o.judgePod(&req, "report", policy.EffectiveMode(mode, v1alpha1.Warn), warnings)
}

// namespaceMode is the mode of a namespace that has a label. An unknown value is
// audit, with a warning; so is a namespace that the cache does not have yet.
func namespaceMode(labels map[string]string) (v1alpha1.Mode, []string) {
	text, found := labels[v1alpha1.LabelMode]
	if !found {
		return v1alpha1.Audit, nil
	}
	mode, err := policy.ParseMode(text)
	if err != nil {
		return mode, []string{fmt.Sprintf("label %s of the namespace: %v", v1alpha1.LabelMode, err)}
	}
	return mode, nil
}

// judgePod answers for a Pod as it stands, in a namespace of the given mode. What an
// API server has filled in since the mutating webhooks were asked counts for nothing:
// else a Pod would be judged by figures that nobody wrote.
func (o *Options) judgePod(req *admission.Request, webhook string, namespace v1alpha1.Mode, warnings []string) (admission.Response, error) {
	subject, err := o.pod(req, false)
	if err != nil {
		return admission.Response{}, err
	}
	policies := o.Cluster.Policies()
	d := policies.Decide(subject)
	if d.Outcome == policy.NotGoverned {
		return allow(nil, warnings), nil
	}
	if subject.Spec.Resources != nil {
		subject = subject.AsWritten()
		d = policies.Decide(subject)
	}
	mode := policy.EffectiveMode(o.MaxMode, namespace, d.Mode)
	violations := policies.Check(subject)
	if d.Outcome == policy.Mutated && req.Operation != admissionv1.Create {
		d = asItStands(d, violations) // nothing changes a Pod that is there
	}
	o.Metrics.decided(webhook, d, mode)
	notes := annotations(d, mode)
	if req.Operation == admissionv1.Update && len(violations) > 0 {
		if violations, err = o.broughtAbout(req, policies, violations); err != nil {
			return admission.Response{}, err
		}
	}
	switch {
	case len(violations) == 0:
		if req.Operation == admissionv1.Create && mode != v1alpha1.Audit {
			warnings = append(warnings, d.Warnings...)
		}
		return allow(notes, warnings), nil
	case d.Outcome == policy.Violating:
		violations = sharpened(req, d, violations)
	}
	o.Metrics.violated(webhook, d.Policy, violations)

	switch mode {
	case v1alpha1.Enforce:
		return refuse(refusal(req, d, violations), violations, notes, warnings), nil
	case v1alpha1.Warn:
		return allow(notes, append(warnings, wouldViolate(d, violations)...)), nil
	default:
		return allow(notes, warnings), nil
	}
}

// asItStands is a decision on a Pod that will not be changed.
func asItStands(d policy.Decision, violations []policy.Violation) policy.Decision {
	d.Outcome, d.Reason, d.Detail, d.Violations = policy.Compliant, policy.AlreadySized, "nothing has to change", violations
	if len(violations) > 0 {
		d.Outcome, d.Reason, d.Detail = policy.Violating, violations[0].Reason, details(violations)
	}
	return d
}

// sharpened are the violations to tell of a Pod that no mutation mends: at CREATE
// the ones that stand in the way of the mutation, without those that it would mend.
func sharpened(req *admission.Request, d policy.Decision, violations []policy.Violation) []policy.Violation {
	if req.Operation == admissionv1.Create {
		return d.Violations
	}
	return violations
}

// broughtAbout are the violations that an update brings about. A Pod that was
// there before its policy can still be labelled, debugged, finished and deleted.
func (o *Options) broughtAbout(req *admission.Request, policies policy.Set, violations []policy.Violation) ([]policy.Violation, error) {
	before, err := o.pod(req, true)
	if err != nil {
		return nil, err
	}
	if before.Meta.DeletionTimestamp != nil {
		return nil, nil
	}
	type kind struct {
		reason    policy.Reason
		container string
	}
	had := map[kind]bool{}
	for _, v := range policies.Check(before.AsWritten()) {
		had[kind{v.Reason, v.Container}] = true
	}
	var out []policy.Violation
	for _, v := range violations {
		if !had[kind{v.Reason, v.Container}] {
			out = append(out, v)
		}
	}
	return out, nil
}

// pod is the Pod of a request, or the one that it replaces.
func (o *Options) pod(req *admission.Request, old bool) (policy.Subject, error) {
	raw := req.Object
	if old {
		raw = req.OldObject
	}
	var pod corev1.Pod
	if err := decode(raw, &pod); err != nil {
		return policy.Subject{}, err
	}
	subject, _ := policy.NewSubject(&pod)
	o.place(&subject, req)
	return subject, nil
}

// refusal is what the client of a refused Pod reads.
func refusal(req *admission.Request, d policy.Decision, violations []policy.Violation) string {
	text := fmt.Sprintf("violates SharedMemoryPolicy %q: %s", d.Policy, details(violations))
	if d.Outcome == policy.Mutated && req.Operation == admissionv1.Create {
		text += "; shmkeeper would have mended that, but its mutating webhook did not run: try again, or tell whoever runs shmkeeper"
	}
	return text
}

// wouldViolate are the warnings for what enforcing would refuse, or mend.
func wouldViolate(d policy.Decision, violations []policy.Violation) []string {
	if d.Outcome == policy.Mutated {
		return []string{fmt.Sprintf("would violate SharedMemoryPolicy %q, which in mode enforce %s", d.Policy, d.Detail)}
	}
	out := make([]string, len(violations))
	for i, v := range violations {
		out[i] = fmt.Sprintf("would violate SharedMemoryPolicy %q: %s", d.Policy, v.Detail)
	}
	return out
}

func details(violations []policy.Violation) string {
	out := make([]string, len(violations))
	for i, v := range violations {
		out[i] = v.Detail
	}
	return strings.Join(out, "; ")
}

// annotations are what an audit log is told about a governed object: the API
// server puts the webhook's name before each key.
func annotations(d policy.Decision, mode v1alpha1.Mode) map[string]string {
	out := map[string]string{
		"policy":  d.Policy,
		"mode":    strings.ToLower(string(mode)),
		"outcome": string(d.Outcome),
		"reason":  string(d.Reason),
		"detail":  d.Detail,
	}
	if d.Size.Limit > 0 {
		out["size-limit"] = d.Size.Limit.Quantity().String()
	}
	return out
}

// Package audit says what policies make of a Pod that runs: whether it violates its policy, and
// what it would get, or why it would be rejected, if it were created again. It is a function of its
// arguments: package scan lists the Pods of a cluster, and writes what comes out.
package audit

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// View is what is known of the namespaces of a cluster. It answers at once; nothing that it returns
// is changed. A cluster.View is one.
type View interface {
	// NamespaceLabels are the labels of a namespace; ok is false for one that is not known.
	NamespaceLabels(name string) (labels map[string]string, ok bool)
	// LimitRanges are those of a namespace.
	LimitRanges(namespace string) []*corev1.LimitRange
	// ResourceQuotas are those of a namespace, with their status.
	ResourceQuotas(namespace string) []*corev1.ResourceQuota
}

// Finding represents what an audit finds out about one Pod.
type Finding struct {
	Namespace, Pod string
	Workload       Workload
	// Policy is the name of the policy that decides; empty if none matches.
	Policy string
	// Mode is the effective mode: the least of the namespace's label and the policy's mode. It
	// is empty if the namespace has no label, so that nothing is done there, and if no policy
	// matches.
	Mode v1alpha1.Mode
	// PolicyMode is the most that the policy does in any namespace; empty if none matches.
	PolicyMode v1alpha1.Mode
	// Guess reports whether the policy only guesses that the Pod writes there.
	Guess bool
	// Outcome is what would happen to the Pod in mode Enforce if it were created again.
	// Reason is why in one word, and Detail in a sentence of bounded length.
	Outcome policy.Outcome
	Reason  policy.Reason
	Detail  string
	// Violations are those of the Pod as it runs.
	Violations []policy.Violation
	// Rejections are the violations for which it could not be created again: those that no
	// mutation fixes. They are empty unless Outcome is Violating.
	Rejections []policy.Violation
	// Warnings are sentences for the Pod's owner that reject nothing.
	Warnings []string
	// Current is the size that the writers have at the mount path, as it is mounted, and Given what
	// they would have in the same Pod created again, in bytes. 0 if it is not known.
	Current, Given sizing.Bytes
	// Limit is the sizeLimit that the policy computes for the Pod, in bytes; 0 if it computes none.
	Limit sizing.Bytes
	// Before and After are the memory that quotas count of the Pod: as it is, and as it would be
	// created again. Quotas are those of its namespace that count it.
	Before, After policy.Usage
	Quotas        []*corev1.ResourceQuota
	// Outdated reports whether the policy would now give the Pod another size.
	Outdated bool
}

// Evaluate says what policies make of a running Pod. It never fails: what cannot be decided is an
// outcome. It changes neither the Pod nor what the view returns.
func Evaluate(policies policy.Set, view View, pod *Pod) Finding {
	subject, labelled := subjectOf(view, pod)
	e := policies.Evaluate(subject)
	f := Finding{
		Namespace: pod.Metadata.Namespace, Pod: pod.Metadata.Name, Workload: WorkloadOf(pod),
		Policy: e.Policy, PolicyMode: e.Mode, Guess: e.Guess, Outcome: e.Outcome, Reason: e.Reason, Detail: e.Detail,
		Violations: e.Before(), Rejections: e.After, Warnings: e.Warnings,
	}
	if labelled {
		// An unknown value of the label counts as audit, as in the webhooks.
		mode, _ := policy.ParseMode(subject.NamespaceLabels[v1alpha1.LabelMode])
		f.Mode = policy.EffectiveMode(mode, e.Mode)
	}
	f.Current, f.Given = e.Sizes()
	f.Limit = e.Size.Limit
	f.Before, f.After, _ = e.Usage()
	for _, q := range view.ResourceQuotas(pod.Metadata.Namespace) {
		if e.CountedBy(q) {
			f.Quotas = append(f.Quotas, q)
		}
	}
	f.Outdated = f.Current != f.Given && (e.Outcome == policy.Mutated || e.Outcome == policy.Compliant)
	return f
}

// subjectOf returns the subject of a Pod that is there and would be created again, and reports
// whether its namespace has the label of a mode.
func subjectOf(view View, pod *Pod) (s policy.Subject, labelled bool) {
	namespace := pod.Metadata.Namespace
	s = policy.Subject{
		Kind: "Pod", Namespace: namespace, Name: pod.Metadata.Name,
		Pod: &policy.PodView{Metadata: pod.Metadata.MetadataView, Spec: pod.Spec},
	}
	labels, known := view.NamespaceLabels(namespace)
	if !known { // it is younger than the view; its name is one of its labels
		s.NamespaceLabels = map[string]string{corev1.LabelMetadataName: namespace}
		return s.WithoutDefaults(), false
	}
	s.NamespaceLabels = labels
	s.LimitRanges = view.LimitRanges(namespace)
	_, labelled = labels[v1alpha1.LabelMode]
	return s.WithoutDefaults().Recreated(view.ResourceQuotas(namespace)), labelled
}

// Violates reports whether the Pod violates its policy as it runs.
func (f *Finding) Violates() bool { return len(f.Violations) > 0 }

// Rejected reports whether the Pod could not be created again if its namespace and its policy
// enforced.
func (f *Finding) Rejected() bool { return f.Outcome == policy.Violating }

// Reasons returns the reasons of a list of violations, each once, sorted.
func Reasons(violations []policy.Violation) []policy.Reason {
	out := make([]policy.Reason, len(violations))
	for i := range violations {
		out[i] = violations[i].Reason
	}
	slices.Sort(out)
	return slices.Compact(out)
}

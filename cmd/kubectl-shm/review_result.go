package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/internal/limitrange"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// result is what would happen to a target.
type result struct {
	target
	decision policy.Decision
	// mode is the effective one: the least of the command line's, the namespace's and the policy's.
	mode v1alpha1.Mode
	// patch is empty where the mode is less than Enforce.
	patch    []jsonpatch.Operation
	warnings []string
}

// enforced tells whether the webhook would act, and not only report.
func (r result) enforced() bool { return r.mode == v1alpha1.Enforce }

func (r result) refused() bool { return r.decision.Outcome == policy.Violating && r.enforced() }

// violation is a sentence about one violation, as the webhook would tell it.
func (r result) violation(v policy.Violation) string {
	verb := "would violate"
	if r.enforced() {
		verb = "violates"
	}
	return fmt.Sprintf("%s SharedMemoryPolicy %q: %s", verb, r.decision.Policy, v.Detail)
}

// conditions are what a review assumes about the cluster.
type conditions struct {
	set    policy.Set
	mode   v1alpha1.Mode
	labels map[string]string // of every namespace, before those of its Namespace
}

// judge says what would happen to the targets of a stream, in their order.
func judge(s *stream, c conditions) []result {
	results := make([]result, 0, len(s.targets))
	for _, t := range s.targets {
		t.subject.NamespaceLabels = c.namespaceLabels(t.subject.Namespace, s.labels)
		t.subject.LimitRanges = s.limitRanges[t.subject.Namespace]
		t.subject.ResourceQuotas = s.quotas[t.subject.Namespace]
		r := result{target: t}
		var patch []jsonpatch.Operation
		r.decision, patch = decide(c.set, t.subject)
		r.warnings = r.decision.Warnings
		r.mode = policy.EffectiveMode(c.mode, r.decision.Mode)
		if text, found := t.subject.NamespaceLabels[v1alpha1.LabelMode]; found {
			mode, err := policy.ParseMode(text)
			r.mode = policy.EffectiveMode(r.mode, mode)
			if err != nil {
				r.warnings = append([]string{fmt.Sprintf("namespace %q: label %s: %v", t.subject.Namespace, v1alpha1.LabelMode, err)}, r.warnings...)
			}
		}
		if r.enforced() {
			r.patch = onWritten(t, patch)
		}
		results = append(results, r)
	}
	return results
}

// decide says what would happen to a subject, and what of that to write into its manifest.
//
// The webhook sees a Pod with what LimitRanges give it, so that decides what is refused and what there is to warn of. The patch is
// for the object as it is written, where it has to fit; what the webhook does beyond it is a warning.
func decide(set policy.Set, written policy.Subject) (policy.Decision, []jsonpatch.Operation) {
	d := set.Decide(written)
	admitted, given := limitrange.Apply(written)
	if len(given) == 0 {
		return d, d.JSONPatch(written)
	}
	inCluster := set.Decide(admitted)
	if inCluster.Outcome == policy.Violating || d.Outcome == policy.Violating {
		if inCluster.Detail != d.Detail {
			inCluster.Warnings = slices.Concat(inCluster.Warnings, []string{given.String() + ", with which it was judged"})
		}
		return inCluster, nil
	}
	d.Warnings = inCluster.Warnings
	if inCluster.Detail != d.Detail {
		d.Warnings = slices.Concat(d.Warnings, []string{given.String() + ": with it " + difference(d, inCluster)})
	}
	return d, d.JSONPatch(written)
}

// difference says what becomes of a Pod in a cluster, where that is something else than the manifest's own.
func difference(written, inCluster policy.Decision) string {
	if inCluster.Outcome != policy.Mutated {
		return fmt.Sprintf("the Pod is %s: %s", inCluster.Outcome, inCluster.Detail)
	}
	if more, found := strings.CutPrefix(inCluster.Detail, written.Detail+", "); found && written.Outcome == policy.Mutated {
		return "shmkeeper also " + more
	}
	return "shmkeeper " + inCluster.Detail
}

func (c conditions) namespaceLabels(namespace string, known map[string]map[string]string) map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, known[namespace])
	maps.Copy(labels, c.labels)
	labels[corev1.LabelMetadataName] = namespace // the API server sees to that
	return labels
}

// onWritten makes a patch fit a template that was written without metadata. In a cluster there always is some.
func onWritten(t target, patch []jsonpatch.Operation) []jsonpatch.Operation {
	metadata := t.subject.Pointer + "/metadata"
	for i, op := range patch {
		if op.Path == metadata+"/annotations" && !hasMetadata(t) {
			patch[i] = jsonpatch.NewOperation("add", metadata, map[string]any{"annotations": op.Value})
		}
	}
	return patch
}

func hasMetadata(t target) bool {
	at := json.RawMessage(t.object.JSON)
	for _, key := range strings.Split(t.subject.Pointer+"/metadata", "/")[1:] {
		var fields map[string]json.RawMessage
		if json.Unmarshal(at, &fields) != nil {
			return false
		}
		at = fields[key]
	}
	return len(at) > 0 && string(at) != "null"
}

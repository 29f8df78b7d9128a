package admissionpolicy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/admissionpolicy"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const (
	// leastClaimed is how many cases the admission policies claim: it only ever grows.
	leastClaimed = 236
	groupLabel   = "test/group"
	control      = "control" // a namespace without policies
)

// The admission policies of every case do what package policy says, unless they or the export say
// that they do not claim it.
func TestExport_DecidesLikeTheEngine(t *testing.T) {
	c, w := newClient(t)
	e := evaluator{client: c, warnings: w}
	e.namespace(t, control, nil)
	groups := installed(t)
	claimed, unclaimed := 0, map[string]int{}
	for i, tc := range policytest.Cases(t) {
		t.Run(tc.Name, func(t *testing.T) {
			why := notClaimed(t, tc, groups[tc.PoliciesKey(t)])
			if why == "" {
				why = e.evaluate(t, fmt.Sprintf("case-%d", i), tc, groups[tc.PoliciesKey(t)])
			}
			if why != "" {
				unclaimed[why]++
				return
			}
			claimed++
		})
	}
	total := claimed
	for _, why := range slices.Sorted(maps.Keys(unclaimed)) {
		t.Logf("%4d not claimed: %s", unclaimed[why], why)
		total += unclaimed[why]
	}
	t.Logf("%4d claimed of %d", claimed, total)
	if claimed < leastClaimed {
		t.Errorf("%d cases are claimed, fewer than %d: find out which are no longer", claimed, leastClaimed)
	}
}

// notClaimed returns why the notes of an export say that a case is not claimed; empty if they do not.
func notClaimed(t *testing.T, tc policytest.Case, g *group) string {
	t.Helper()
	kinds := map[admissionpolicy.NoteKind]bool{}
	for _, o := range g.objects {
		for _, n := range o.Notes {
			kinds[n.Kind] = true
		}
	}
	subject := tc.Subject(t)
	e := tc.Set(t).Evaluate(subject)
	switch {
	case tc.OfflineOnly != "":
		return "no API server lets the case happen"
	case errors.Is(g.err, admissionpolicy.ErrOnlyGuesses):
		return "export: a policy only guesses"
	case g.err != nil:
		t.Fatal(g.err)
	case len(tc.LimitRanges)+len(tc.ResourceQuotas) > 0 && kinds[admissionpolicy.Limits]:
		return "note: LimitRanges and ResourceQuotas"
	case len(tc.ImageMirrors) > 0 && kinds[admissionpolicy.Mirrors]:
		return "note: mirrors"
	case e.Guess && kinds[admissionpolicy.Guesses]:
		return "note: guesses"
	case kinds[admissionpolicy.Observed]:
		return "note: measured rates"
	}
	return ""
}

// evaluator has the API server admit Pods.
type evaluator struct {
	client   client.Client
	warnings *warnings
}

func (e evaluator) namespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	if err := e.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}); err != nil {
		t.Fatal(err)
	}
}

// evaluate compares what the API server does with a case's Pod with what package policy says. It
// returns why the policies do not claim it; empty if they do.
func (e evaluator) evaluate(t *testing.T, name string, tc policytest.Case, g *group) (why string) {
	t.Helper()
	labels := maps.Clone(tc.NamespaceLabels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[groupLabel], labels[v1alpha1.LabelMode] = g.name, "enforce"
	e.namespace(t, name, labels)
	pod := tc.Pod(t)
	pod.Name, pod.GenerateName = "subject", ""
	subject := tc.SubjectOf(t, pod)
	want := tc.Set(t).Evaluate(subject)

	pod.Namespace = name
	e.warnings.take()
	got, err := e.create(t, pod)
	warned := e.warnings.take()
	if i := slices.IndexFunc(warned, func(text string) bool { return strings.Contains(text, "leaves this Pod as it is") }); i >= 0 {
		if err != nil {
			t.Errorf("warned that it leaves the Pod as it is, and rejected it: %v", err)
		}
		_, reason, _ := strings.Cut(warned[i], "cannot decide about it: ")
		reason, _, _ = strings.Cut(reason, ": check it")
		return "warning: " + reason
	}

	patched := pod.DeepCopy()
	enforced := want.Mode == v1alpha1.Enforce
	if enforced && want.Outcome == policy.Mutated {
		patched = apply(t, patched, want.Plan, subject)
	}
	if enforced && want.Outcome == policy.Violating {
		if err == nil {
			t.Errorf("admitted, and the engine says %s: %s", want.Reason, want.Detail)
		} else if !apierrors.IsForbidden(err) || !namesOne(err.Error(), slices.Concat(want.Before(), want.After)) {
			t.Errorf("rejected by %v, and the engine says %s: %s", err, want.Reason, want.Detail)
		}
		return ""
	}
	if err != nil {
		t.Errorf("rejected by %v, and the engine says %s, %s: %s", err, want.Outcome, want.Reason, want.Detail)
		return ""
	}
	patched.Namespace = control
	wanted, err := e.create(t, patched)
	if err != nil {
		t.Fatalf("the Pod as the engine makes it: %v", err)
	}
	if !equality.Semantic.DeepEqual(wanted.Spec, got.Spec) {
		t.Errorf("engine: %s, %s (-engine +API server)\n%s", want.Outcome, want.Detail, cmp.Diff(asJSON(t, wanted.Spec), asJSON(t, got.Spec)))
	}
	if want.Mode == v1alpha1.Warn && want.Outcome == policy.Violating && !namesOne(strings.Join(warned, "\n"), slices.Concat(want.Before(), want.After)) {
		t.Errorf("warned of %q, and the engine says %s: %s", warned, want.Reason, want.Detail)
	}
	return ""
}

func (e evaluator) create(t *testing.T, pod *corev1.Pod) (*corev1.Pod, error) {
	t.Helper()
	pod = pod.DeepCopy()
	err := e.client.Create(t.Context(), pod, client.DryRunAll)
	return pod, err
}

// namesOne reports whether a text names the reason of one of the violations.
func namesOne(text string, violations []policy.Violation) bool {
	return slices.ContainsFunc(violations, func(v policy.Violation) bool {
		return strings.Contains(text, fmt.Sprintf("%s (%s): ", v.Reason, v.Reason.ID()))
	})
}

// apply returns a Pod with a plan carried out.
func apply(t *testing.T, pod *corev1.Pod, plan policy.Plan, subject policy.Subject) *corev1.Pod {
	t.Helper()
	text, err := json.Marshal(plan.Patch(subject))
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply([]byte(asJSON(t, pod)))
	if err != nil {
		t.Fatal(err)
	}
	out := &corev1.Pod{}
	if err := json.Unmarshal(patched, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

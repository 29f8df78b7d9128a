package webhookconfig

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/policystatus"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestView_OnAnAPIServer(t *testing.T) {
	c := install(t)
	view := c.startServing(t)
	eventually(t, "the view is synced", view.Synced)
	if labels, ok := view.NamespaceLabels("team"); !ok || labels[v1alpha1.LabelMode] != "enforce" {
		t.Errorf("labels of the namespace: %v, %v", labels, ok)
	}
	if got := view.LimitRanges("team"); len(got) != 1 || got[0].Name != "limits" || len(got[0].ManagedFields) > 0 {
		t.Errorf("LimitRanges: %v", got)
	}
	if got := view.ResourceQuotas("team"); len(got) != 1 || got[0].Name != "quota" || len(got[0].ManagedFields) > 0 || len(got[0].Spec.Hard) > 0 {
		t.Errorf("ResourceQuotas: %v", got)
	}
}

// Without policies no Pod is sent.
func TestReconciler_NoPolicies(t *testing.T) {
	c := install(t)
	c.startServing(t)
	c.startTerm(t)
	c.conditionBecomes(t, func(e string, ok bool) bool { return ok && e == "false" })
	for _, kind := range Kinds() {
		if owners := c.configuration(t, kind).GetOwnerReferences(); len(owners) != 1 || owners[0].Kind != "Namespace" {
			t.Errorf("the owners of the %s are %v", kind, owners)
		}
	}
	c.pod(t, map[string]string{"app": "a"})
	if got := c.sent(); len(got) > 0 {
		t.Errorf("sent: %q", got)
	}
}

// A policy that is accepted has its Pods sent, and no others.
func TestReconciler_AcceptedPolicy(t *testing.T) {
	c := install(t)
	c.startServing(t)
	c.startTerm(t)
	p := policytest.AppPolicy("a", "a")
	c.create(t, p)
	got := c.waitFor(t, "a", v1alpha1.ConditionMatchConditionCurrent, metav1.ConditionTrue)
	if s := got.Status; s.ObservedGeneration != 1 || s.SizeLimit == nil || s.SizeLimit.String() != "256Mi" || s.MemoryCost == nil || s.MemoryCost.Cmp(*s.SizeLimit) <= 0 {
		t.Errorf("observedGeneration %d, sizeLimit %v, memoryCost %v", s.ObservedGeneration, s.SizeLimit, s.MemoryCost)
	}
	for _, condition := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionSizeSufficient} {
		if b := meta.FindStatusCondition(got.Status.Conditions, condition); b == nil || b.Status != metav1.ConditionTrue || b.ObservedGeneration != 1 {
			t.Errorf("%s: %+v", condition, b)
		}
	}
	c.pod(t, map[string]string{"app": "b"})
	// The API server's own watch is what is waited for here.
	eventually(t, "a Pod of the policy is sent", func() bool {
		c.pod(t, map[string]string{"app": "a"})
		return slices.Contains(c.sent(), "/mutate-pods") && slices.Contains(c.sent(), "/validate-pods")
	})
	if sent := c.sent(); slices.Contains(sent, "/report-pods") {
		t.Errorf("sent: %q", sent)
	}
}

// fieldsOf returns what FieldManager owns of an object, in JSON.
func fieldsOf(o client.Object) (out []string) {
	for _, f := range o.GetManagedFields() {
		if f.Manager == FieldManager {
			out = append(out, f.FieldsV1.GetRawString())
		}
	}
	return out
}

// The server owns the match conditions and the reference to the Namespace, so that the tool that installed it can change all else.
func TestReconciler_OwnsNothingElse(t *testing.T) {
	c := installWithPolicy(t)
	for kind, names := range map[string][]string{
		Mutating: {"mutate.pods.shmkeeper.dev"}, Validating: {"enforce.pods.shmkeeper.dev", "report.pods.shmkeeper.dev"},
	} {
		live := c.configuration(t, kind)
		owned := make([]string, len(names))
		for i, name := range names {
			owned[i] = fmt.Sprintf(`"k:{\"name\":\"%s\"}":{".":{},"f:matchConditions":{`+
				`"k:{\"name\":\"may-match-policy\"}":{".":{},"f:expression":{},"f:name":{}}},"f:name":{}}`, name)
		}
		want := fmt.Sprintf(`{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"%s\"}":{}}},"f:webhooks":{%s}}`,
			live.GetOwnerReferences()[0].UID, strings.Join(owned, ","))
		if diff := cmp.Diff([]string{want}, fieldsOf(live)); diff != "" {
			t.Errorf("of the %s it owns (-want +got):\n%s", kind, diff)
		}
	}
}

func TestReconciler_ManifestsSeeNoDrift(t *testing.T) {
	c := installWithPolicy(t)
	if out, err := c.plane.Kubectl(t.Context(), "diff", "-k", "../../manifests/webhooks"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := c.plane.Kubectl(t.Context(), "apply", "-k", "../../manifests/webhooks"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	c.conditionBecomes(t, func(e string, ok bool) bool { return ok && strings.Contains(e, "l['app'] == 'a'") })
}

func TestPolicyStatus_SizeThatFills(t *testing.T) {
	c := install(t)
	c.startServing(t)
	c.startTerm(t)
	p := policytest.AppPolicy("forever", "f")
	p.Spec.Sizing = &v1alpha1.Sizing{Files: &v1alpha1.Files{CreatedPerMinute: "18", FileSize: resource.MustParse("1500")}}
	c.create(t, p)
	got := c.waitFor(t, "forever", v1alpha1.ConditionSizeSufficient, metav1.ConditionFalse)
	b := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionSizeSufficient)
	const want = "files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: " +
		"delete old files, and set sizing.files.retention to how old they get"
	if b.Reason != policystatus.ReasonNeverDeleted || b.Message != want {
		t.Errorf("the size suffices: %+v", b)
	}
}

// A policy that turns invalid stays in force as it was.
func TestPolicyStatus_InvalidPolicy(t *testing.T) {
	c := install(t)
	view := c.startServing(t)
	c.startTerm(t)
	c.create(t, policytest.AppPolicy("b", "b"))
	c.create(t, policytest.AppPolicy("a", "a"))
	c.waitFor(t, "a", v1alpha1.ConditionMatchConditionCurrent, metav1.ConditionTrue)
	c.update(t, "a", func(p *v1alpha1.SharedMemoryPolicy) {
		p.Spec.Match[0].PodSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "x", Operator: "Like"}}
	})
	got := c.waitFor(t, "a", v1alpha1.ConditionAccepted, metav1.ConditionFalse)
	a := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionAccepted)
	if a.Reason != policystatus.ReasonInvalid || a.ObservedGeneration != 2 || !strings.HasPrefix(a.Message, "the last version that was valid stays in force: spec.match[0].podSelector: Invalid value") {
		t.Errorf("accepted: %+v", a)
	}
	if n := len(view.Policies().Policies()); n != 2 {
		t.Errorf("%d policies are in force, want 2", n)
	}
	// What it matches cannot be written down, so every Pod is sent.
	c.conditionBecomes(t, func(e string, ok bool) bool { return ok && e == "true" })
	got = c.waitFor(t, "a", v1alpha1.ConditionMatchConditionCurrent, metav1.ConditionTrue)
	if m := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionMatchConditionCurrent); m.Reason != policystatus.ReasonEveryPodSent {
		t.Errorf("the match condition is current: %+v", m)
	}
	c.update(t, "a", func(p *v1alpha1.SharedMemoryPolicy) { p.Spec.Match[0].PodSelector.MatchExpressions = nil })
	c.waitFor(t, "a", v1alpha1.ConditionAccepted, metav1.ConditionTrue)
	c.conditionBecomes(t, func(e string, ok bool) bool { return ok && e != "true" })
}

// The status is not written again when nothing changes.
func TestPolicyStatus_NotWrittenAgain(t *testing.T) {
	c := installWithPolicy(t)
	begun := c.manager.requestCount()
	// The manager reads the second version when it is done with the first.
	for _, value := range []string{"first", "second"} {
		p := c.update(t, "a", func(p *v1alpha1.SharedMemoryPolicy) { p.Labels = map[string]string{"version": value} })
		eventually(t, "the manager has read the "+value+" version", func() bool { return c.manager.lastRead(p) == p.ResourceVersion })
	}
	if got := c.manager.writes(begun); len(got) > 0 {
		t.Errorf("the manager wrote: %q", got)
	}
}

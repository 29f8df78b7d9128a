package webhook

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	sigsjson "sigs.k8s.io/json"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// wireSpecs are policies that between them read all that a decision can read.
var wireSpecs = []string{
	"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, exemptions: Allowed, overrides: Allowed}",
	"{match: [{tmpfsPaths: Detect}], sizing: {fixed: {size: 256Mi}}}",
	"{match: [{images: ['*/proxy', 'web']}], writers: {names: [main*]}, sizing: {memoryPercent: {percent: 50}}, existing: SetLimit}",
	"{match: [{mounted: true}], hostShm: Denied, memory: {handling: Require}}",
	"{match: [{podSelector: {matchLabels: {app: web}}}], exclude: [{tmpfsPaths: Detect}], sizing: {units: {each: 64Mi, count: {resources: ['nvidia.com/*'], absent: 1}}}}",
	"{match: [{podSelector: {}}], sizing: {units: {each: 64Mi, count: {annotation: cameras}}}, existing: Require, mountPath: /cache}",
}

// views returns the views of a Pod's JSON: of its type, by the full decoder, and by the fast one,
// which is nil if that declines. A Pod that corev1.Pod cannot represent is none: an API server sends
// no such thing.
func views(text []byte) (viaPod, full, fast *policy.PodView, err error) {
	var pod corev1.Pod
	if err := sigsjson.UnmarshalCaseSensitivePreserveInts(text, &pod); err != nil {
		return nil, nil, nil, errNotAPod
	}
	full = &policy.PodView{}
	if err := decode(runtime.RawExtension{Raw: text}, full); err != nil {
		return nil, nil, nil, err
	}
	var c cursor
	c.reset(text)
	fast = c.pod()
	if c.end(); c.err != nil {
		fast = nil
	}
	return policy.ViewOf(&pod.ObjectMeta, &pod.Spec), full, fast, nil
}

var errNotAPod = errors.New("this is not a Pod")

// told is everything that an Evaluation says.
type told struct {
	Outcome  policy.Outcome
	Reason   policy.Reason
	Detail   string
	Policy   string
	Mode     v1alpha1.Mode
	Guess    bool
	Limit    sizing.Bytes
	Before   []policy.Violation
	After    []policy.Violation
	Warnings []string
	Patch    string
}

func evaluate(t fataler, set policy.Set, view *policy.PodView) [2]told {
	t.Helper()
	limitRange := &corev1.LimitRange{}
	limitRange.Name = "limits"
	limitRange.Spec.Limits = []corev1.LimitRangeItem{{
		Type:                 corev1.LimitTypeContainer,
		Max:                  corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
		MaxLimitRequestRatio: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4")},
	}}
	quota := &corev1.ResourceQuota{}
	quota.Name = "quota"
	quota.Spec.Scopes = []corev1.ResourceQuotaScope{
		corev1.ResourceQuotaScopeNotTerminating, corev1.ResourceQuotaScopePriorityClass, corev1.ResourceQuotaScopeCrossNamespacePodAffinity,
	}
	quota.Status.Hard = corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("1Gi")}
	quota.Status.Used = corev1.ResourceList{corev1.ResourceLimitsMemory: {}}
	subject := policy.Subject{
		Kind: "Pod", Namespace: "ns", Name: view.Metadata.Name, Pod: view,
		LimitRanges: []*corev1.LimitRange{limitRange}, ResourceQuotas: []*corev1.ResourceQuota{quota},
	}
	var out [2]told
	for i, s := range []policy.Subject{subject, subject.WithoutDefaults()} {
		e := set.Evaluate(s)
		patch, err := json.Marshal(e.Plan.Patch(s))
		if err != nil {
			t.Fatalf("%v", err)
		}
		out[i] = told{
			Outcome: e.Outcome, Reason: e.Reason, Detail: e.Detail, Policy: e.Policy, Mode: e.Mode, Guess: e.Guess,
			Limit: e.Size.Limit, Before: e.Before(), After: e.After, Warnings: e.Warnings, Patch: string(patch),
		}
	}
	return out
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func wireSets(t testing.TB) []policy.Set {
	t.Helper()
	var out []policy.Set
	for _, spec := range wireSpecs {
		out = append(out, policy.NewSet(compile(t, spec)))
	}
	return out
}

// checkViewsAgree compares what is evaluated of a Pod that each decoder reads into the narrow view
// with what is evaluated of the same Pod as corev1.Pod. It returns the outcomes, and whether the fast
// decoder declines.
func checkViewsAgree(t fataler, sets []policy.Set, text []byte) (outcomes []policy.Outcome, declines bool) {
	t.Helper()
	viaPod, full, fast, err := views(text)
	if errors.Is(err, errNotAPod) {
		return nil, false
	}
	if err != nil {
		t.Fatalf("a Pod that corev1.Pod can represent is not read: %v\n%s", err, text)
	}
	for i, set := range sets {
		want := evaluate(t, set, viaPod)
		if diff := cmp.Diff(want, evaluate(t, set, full)); diff != "" {
			t.Fatalf("policy %s\n-corev1.Pod +full decoder:\n%s\n%s", wireSpecs[i], diff, text)
		}
		if fast != nil {
			if diff := cmp.Diff(want, evaluate(t, set, fast)); diff != "" {
				t.Fatalf("policy %s\n-corev1.Pod +fast decoder:\n%s\n%s", wireSpecs[i], diff, text)
			}
		}
		outcomes = append(outcomes, want[0].Outcome)
	}
	return outcomes, fast == nil
}

func FuzzDecode_ViewsAgree(f *testing.F) {
	for _, c := range policytest.Cases(f) {
		if c.Subject(f).Kind == "Pod" {
			f.Add([]byte(c.Object.Raw))
		}
	}
	f.Add([]byte(`{"metadata":null,"spec":{"containers":[{"name":"a","resources":null,"env":[{"name":"x","value":"/dev/shm"}]}],"volumes":[]}}`))
	f.Add([]byte(`{"metadata":{"deletionTimestamp":"2026-04-18T00:00:00Z"},"spec":{"ephemeralContainers":[{"name":"d","volumeMounts":[{"name":"v","mountPath":"/dev/shm"}]}]}}`))
	sets := wireSets(f)
	f.Fuzz(func(t *testing.T, text []byte) { checkViewsAgree(t, sets, text) })
}

// The same for Pods that are put together field by field, each there, empty, null or absent.
func TestDecode_ViewsAgree(t *testing.T) {
	sets := wireSets(t)
	reached := map[policy.Outcome]int{}
	total := 0
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(genPodJSON(t))
		if err != nil {
			t.Fatal(err)
		}
		outcomes, declines := checkViewsAgree(t, sets, text)
		if outcomes == nil {
			t.Fatalf("the generator made what is not a Pod: %s", text)
		}
		if declines {
			t.Fatalf("the fast decoder declines what an API server may write: %s", text)
		}
		for _, o := range outcomes {
			reached[o]++
			total++
		}
	})
	for _, o := range []policy.Outcome{policy.NotMatched, policy.Skipped, policy.Compliant, policy.Mutated, policy.Violating} {
		if reached[o]*50 < total {
			t.Errorf("outcome %s was reached in %d of %d evaluations, want 2 per cent", o, reached[o], total)
		}
	}
}

package kubelet

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/apis/core"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/plugin/pkg/admission/limitranger"

	"github.com/shmkeeper/shmkeeper/policy"
)

// managed has a Pod name, as an API server does before it asks the first webhook, who
// wrote its pod-level resources.
func managed(pod *corev1.Pod) *corev1.Pod {
	fields := func(list corev1.ResourceList) map[string]any {
		out := map[string]any{}
		for name := range list {
			out["f:"+string(name)] = map[string]any{}
		}
		return out
	}
	written := map[string]any{"f:containers": map[string]any{}}
	if r := pod.Spec.Resources; r != nil {
		written["f:resources"] = map[string]any{"f:limits": fields(r.Limits), "f:requests": fields(r.Requests)}
	}
	raw, err := json.Marshal(map[string]any{"f:spec": written})
	if err != nil {
		panic(err)
	}
	pod.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: "owner", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(string(raw)),
	}}
	return pod
}

// limitRanges returns LimitRanges that a raise may break.
func (g generator) limitRanges() []*corev1.LimitRange {
	if g.IntN(2) == 0 {
		return nil
	}
	l := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "limits", Namespace: "n"}}
	item := corev1.LimitRangeItem{Type: oneOf(g, corev1.LimitTypeContainer, corev1.LimitTypePod, corev1.LimitTypePod)}
	if g.IntN(2) == 0 {
		item.Max = list("", oneOf(g, "256Mi", "400Mi", "600Mi", "1.2Gi", "2.2Gi", "4Gi"))
	} else {
		item.MaxLimitRequestRatio = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(oneOf(g, "1", "1.5", "2", "4"))}
	}
	l.Spec.Limits = []corev1.LimitRangeItem{item}
	return []*corev1.LimitRange{l}
}

// limitRangerRefuses returns why an API server's plugin refuses a Pod for a LimitRange; nil
// if it does not.
func limitRangerRefuses(t *testing.T, pod *corev1.Pod, limitRanges []*corev1.LimitRange) error {
	t.Helper()
	var internal core.Pod
	if err := corev1defaults.Convert_v1_Pod_To_core_Pod(pod.DeepCopy(), &internal, nil); err != nil {
		t.Fatal(err)
	}
	for _, l := range limitRanges {
		if err := limitranger.PodValidateLimitFunc(l, &internal); err != nil {
			return err
		}
	}
	return nil
}

// What is evaluated of a Pod before an API server fills in pod-level resources is evaluated
// of it afterwards: a Pod that was left alone is told the same, and one that was mutated
// is as it has to be.
func TestWithoutDefaults_ChangesNoEvaluation(t *testing.T) {
	const pods = 20_000
	g := generator{rand.New(rand.NewPCG(4, 4))}
	plugin := newQuotaPlugin()
	sets := []policy.Set{sessions(t, "*"), sessions(t, "app-0"), sessions(t, "app-*", "init-0")}
	reached := tally{}
	failures := 0
	for valid := 0; valid < pods && failures < 3; {
		written := g.pod()
		before, errs := stored(t, written)
		if len(errs) > 0 || fractions(written) > 0 { // of which the engine counts whole bytes
			continue
		}
		valid++
		asked, set := managed(decoded(written)), oneOf(g, sets...)
		limitRanges := g.limitRanges()
		var quotas []*corev1.ResourceQuota
		if g.IntN(2) == 0 {
			quotas = g.quotas(plugin.uses(t, before), plugin.uses(t, before))
		}
		of := func(pod *corev1.Pod) policy.Subject {
			s := subjectOf(pod, 0)
			s.LimitRanges, s.ResourceQuotas = limitRanges, quotas
			return s
		}
		first := set.Evaluate(of(asked))
		asked = planned(t, asked, first.Plan)
		after, errs := stored(t, asked)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		second := set.Evaluate(of(after).WithoutDefaults())
		left := second.Before()

		filledIn := podMemory(after) != podMemory(asked)
		want, wantDetail := first.Outcome, first.Detail
		if first.Outcome == policy.Mutated {
			want, wantDetail = policy.Compliant, second.Detail
		}
		if second.Outcome != want || second.Detail != wantDetail || want == policy.Compliant && len(left) > 0 {
			failures++
			t.Errorf("first %s: %s\nthen %s: %s\nleft: %v\nasked:\n%s\nstored:\n%s\nlimit ranges:\n%s\nquotas:\n%s",
				first.Outcome, first.Detail, second.Outcome, second.Detail, left, text(asked), text(after.Spec), text(limitRanges), text(quotas))
		}
		if !filledIn {
			continue
		}
		asStored := set.Evaluate(of(after))
		otherwise := asStored.Outcome != want || asStored.Detail != wantDetail
		reached.add("the outcome Mutated, and memory that is filled in", first.Outcome == policy.Mutated)
		reached.add("the outcome Violating, and memory that is filled in", first.Outcome == policy.Violating)
		// Of a mutated Pod nothing is left to do, whatever is filled in.
		reached.add("the outcome Violating, of which what is stored tells otherwise", first.Outcome == policy.Violating && otherwise)
		raised := first.Outcome == policy.Mutated && len(limitRanges) > 0 && limitRangerRefuses(t, before, limitRanges) == nil
		if refusal := limitRangerRefuses(t, after, limitRanges); raised && refusal != nil {
			failures++
			t.Errorf("the raise makes LimitRanger refuse the Pod: %v\n%s\nstored:\n%s\nlimit ranges:\n%s", refusal, first.Detail, text(after.Spec), text(limitRanges))
		}
		reached.add("a raise that LimitRanger accepts, and memory that is filled in", raised)
	}
	reached.check(t, 100)
}

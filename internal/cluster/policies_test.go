package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// later returns the next version of a policy.
func later(p *v1alpha1.SharedMemoryPolicy, change func(*v1alpha1.SharedMemoryPolicy)) *v1alpha1.SharedMemoryPolicy {
	p = p.DeepCopy()
	p.Generation++
	change(p)
	return p
}

func breakIt(p *v1alpha1.SharedMemoryPolicy) { p.Spec.MountPath = "relative" }

func namesInForce(s *policyStore) (out []string) {
	for _, p := range s.set().Policies() {
		out = append(out, p.Name()+" "+p.MountPath())
	}
	slices.Sort(out)
	return out
}

func TestPolicyStore_KeepsTheLastVersionThatCompiles(t *testing.T) {
	s := newPolicyStore(policy.Mirrors{})
	first := policytest.AppPolicy("a", "a")
	s.add(first)
	broken := later(first, breakIt)
	if changed, valid := s.add(broken); !changed || valid {
		t.Errorf("a version that is not valid is taken as changed %v, valid %v", changed, valid)
	}
	if got := namesInForce(s); !slices.Equal(got, []string{"a /dev/shm"}) {
		t.Errorf("in force are %q", got)
	}
	if sources, _ := s.sources(); len(sources) != 2 {
		t.Errorf("the match condition has to cover %d versions, want both", len(sources))
	}
	state, ok := s.lookup(broken)
	if !ok || len(state.Errors) != 1 || !state.InForce {
		t.Errorf("the state is %+v, %v", state, ok)
	}
	if accepted, rejected := s.count(); accepted != 0 || rejected != 1 {
		t.Errorf("%d are accepted and %d not", accepted, rejected)
	}
	fixed := later(broken, func(p *v1alpha1.SharedMemoryPolicy) { p.Spec.MountPath = "/data" })
	s.add(fixed)
	if got := namesInForce(s); !slices.Equal(got, []string{"a /data"}) {
		t.Errorf("in force are %q", got)
	}
	if sources, _ := s.sources(); len(sources) != 1 {
		t.Errorf("the match condition has to cover %d versions, want one", len(sources))
	}
}

func TestPolicyStore_ForgetsThePolicyThatHadTheName(t *testing.T) {
	s := newPolicyStore(policy.Mirrors{})
	s.add(policytest.AppPolicy("a", "a"))
	other := policytest.AppPolicy("a", "a")
	other.UID = "2"
	breakIt(other)
	if changed, _ := s.add(other); !changed {
		t.Error("another policy of the same name and generation is not taken")
	}
	if got := namesInForce(s); got != nil {
		t.Errorf("in force are %q", got)
	}
}

// Figures that are measured change the size that a policy gives, and not its version: what has to be
// sent to the webhooks stays.
func TestPolicyStore_TakesMeasuredFigures(t *testing.T) {
	s := newPolicyStore(policy.Mirrors{})
	p := policytest.AppPolicy("a", "a")
	p.Spec.Sizing = &v1alpha1.Sizing{Files: &v1alpha1.Files{
		CreatedPerMinute: "1", Retention: new(v1alpha1.Duration("24h")), FileSize: resource.MustParse("1500"), Source: v1alpha1.FilesObserved,
	}}
	sizeOf := func() sizing.Bytes {
		t.Helper()
		subject, _ := policy.NewSubject(policytest.NewPod("p", policytest.Namespace("apps"), policytest.Labels(map[string]string{"app": "a"}), policytest.WithContainer("app", "app")))
		return s.set().Evaluate(subject).Size.Limit
	}
	s.add(p)
	declared, revision := sizeOf(), s.revision
	measured := p.DeepCopy()
	measured.Status.Observed = []v1alpha1.Observation{{Namespace: "apps", Workload: "Pod/p", CreatedPerMinute: "100"}}
	if changed, valid := s.add(measured); !changed || !valid {
		t.Errorf("the figures are taken as changed %v, valid %v", changed, valid)
	}
	if got := sizeOf(); got <= declared {
		t.Errorf("with a hundred times the rate the size is %s, as before %s", got, declared)
	}
	if changed, _ := s.add(measured.DeepCopy()); changed {
		t.Error("the same figures are taken as changed")
	}
	if s.revision != revision {
		t.Errorf("the revision goes from %d to %d; want it to stay", revision, s.revision)
	}
	other := measured.DeepCopy()
	other.Generation++
	other.Spec.Sizing.Files.Source = v1alpha1.FilesDeclared
	s.add(other)
	again := other.DeepCopy()
	again.Status.Observed[0].CreatedPerMinute = "200"
	if changed, _ := s.add(again); changed {
		t.Error("figures that do not count are taken as changed")
	}
}

func TestPolicyStore_CompilesAVersionOnce(t *testing.T) {
	s := newPolicyStore(policy.Mirrors{})
	p := policytest.AppPolicy("a", "a")
	s.add(p)
	if changed, valid := s.add(p.DeepCopy()); changed || !valid {
		t.Errorf("the same version is taken as changed %v, valid %v", changed, valid)
	}
	if !s.remove("a") || s.remove("a") {
		t.Error("a policy is not removed exactly once")
	}
	if _, ok := s.lookup(p); ok {
		t.Error("there is a state of a policy that is gone")
	}
}

// One option reaches the policies and the match condition alike.
func TestPolicyStore_ImageMirrors(t *testing.T) {
	mirrors, err := policy.ParseMirrors([]string{"harbor.local/ghcr=ghcr.io"})
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "outpost"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "proxy", Image: "harbor.local/ghcr/goauthentik/proxy:1"}}},
	}
	subject, ok := policy.NewSubject(pod)
	if !ok {
		t.Fatal("a Pod is not a subject")
	}
	for name, tc := range map[string]struct {
		mirrors policy.Mirrors
		want    bool
	}{"with the mirror": {mirrors, true}, "without it": {policy.Mirrors{}, false}} {
		s := newPolicyStore(tc.mirrors)
		s.add(policytest.NewPolicy("a", v1alpha1.Match{Images: []string{"ghcr.io/goauthentik/proxy"}}))
		if e := s.set().Evaluate(subject); (e.Outcome != policy.NotMatched) != tc.want {
			t.Errorf("%s: the outcome is %s", name, e.Outcome)
		}
		got := s.matchCondition()
		if strings.Contains(got.Expression, "harbor") != tc.want || !got.Narrow || got.Revision != 1 {
			t.Errorf("%s: at revision %d the match condition is narrow=%v\n%s", name, got.Revision, got.Narrow, got.Expression)
		}
	}
}

func TestPolicyStore_MatchConditionThatCannotBeNarrow(t *testing.T) {
	s := newPolicyStore(policy.Mirrors{})
	s.add(policytest.AppPolicy("a", "a"))
	if got := s.matchCondition(); !got.Narrow || got.Expression == "true" {
		t.Errorf("of a policy with a label: %+v", got)
	}
	s.add(policytest.NewPolicy("any", v1alpha1.Match{PodSelector: &metav1.LabelSelector{}}))
	if got := s.matchCondition(); got.Narrow || got.Expression != "true" || got.Revision != 2 {
		t.Errorf("of a policy for every Pod: %+v", got)
	}
}

// What a start costs in a large cluster.
func BenchmarkSetOfThousandPolicies(b *testing.B) {
	s := newPolicyStore(policy.Mirrors{})
	for i := range 1000 {
		s.add(policytest.AppPolicy(fmt.Sprint("p", i), fmt.Sprint("app-", i)))
	}
	for b.Loop() {
		s.set()
	}
}

// Replicas can be compared by it: they see policies in another order, and may have missed a version.
func TestPolicyStore_FingerprintTellsStoresApart(t *testing.T) {
	a, b := policytest.AppPolicy("a", "a"), policytest.AppPolicy("b", "b")
	of := func(policies ...*v1alpha1.SharedMemoryPolicy) float64 {
		s := newPolicyStore(policy.Mirrors{})
		for _, p := range policies {
			s.add(p)
		}
		return s.fingerprint()
	}
	if of(a, b) != of(b, a) {
		t.Error("the order of policies counts")
	}
	if of(a, later(a, func(*v1alpha1.SharedMemoryPolicy) {})) != of(later(a, func(*v1alpha1.SharedMemoryPolicy) {})) {
		t.Error("a valid version that was replaced counts")
	}
	recreated := a.DeepCopy()
	recreated.UID = "2"
	seen := map[float64]string{}
	for name, stored := range map[string][]*v1alpha1.SharedMemoryPolicy{
		"none": nil, "a": {a}, "b": {b}, "both": {a, b}, "a later": {later(a, func(*v1alpha1.SharedMemoryPolicy) {})}, "recreated": {recreated},
		"broken":                 {later(a, breakIt)},
		"broken after a version": {a, later(a, breakIt)},
	} {
		number := of(stored...)
		if other, found := seen[number]; found {
			t.Errorf("%q and %q have the same fingerprint", name, other)
		}
		seen[number] = name
	}
}

func TestView_SaysThatEveryPodIsSent(t *testing.T) {
	v := &View{store: newPolicyStore(policy.Mirrors{})}
	narrow, wide := policytest.AppPolicy("a", "a"), policytest.NewPolicy("b", v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{}})
	for _, c := range []struct {
		add  *v1alpha1.SharedMemoryPolicy
		want bool
	}{{narrow, false}, {wide, true}} {
		v.store.add(c.add)
		v.inForce.Store(&inForce{v.store.set(), v.store.matchCondition()})
		if state, ok := v.PolicyState(narrow); !ok || !state.Narrow || state.EveryPodSent != c.want {
			t.Errorf("with %s: %+v, %t", c.add.Name, state, ok)
		}
	}
}

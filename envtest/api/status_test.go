package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// created creates a policy that matches what is mounted.
func created(t *testing.T, name string) *v1alpha1.SharedMemoryPolicy {
	t.Helper()
	p := &v1alpha1.SharedMemoryPolicy{}
	p.Name = name
	p.Spec.Match = []v1alpha1.Match{{Mounted: new(true)}}
	if err := kubeClient.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStatus_CountOfNoneIsNotAbsent(t *testing.T) {
	p := created(t, "counts")
	p.Status.ObservedGeneration, p.Status.MatchedPods = p.Generation, new(int32(0))
	if err := kubeClient.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"observedGeneration": int64(1), "matchedPods": int64(0)}
	got := get(t, p.Name)
	if diff := cmp.Diff(any(want), got.Object["status"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got.GetGeneration() != 1 {
		t.Errorf("the status has taken the generation to %d, want 1", got.GetGeneration())
	}
}

func TestStatus_ObservedGenerationStaysBehindANewSpec(t *testing.T) {
	p := created(t, "generations")
	p.Status.ObservedGeneration = p.Generation
	if err := kubeClient.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	p.Spec.Priority = 1
	p.Status.ObservedGeneration = 9 // no part of an update of the spec
	if err := kubeClient.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if p.Generation != 2 || p.Status.ObservedGeneration != 1 {
		t.Errorf("got generation %d and observedGeneration %d, want 2 and 1",
			p.Generation, p.Status.ObservedGeneration)
	}
}

func TestStatus_Bounds(t *testing.T) {
	reasons := func(n int) v1alpha1.SharedMemoryPolicyStatus {
		s := v1alpha1.SharedMemoryPolicyStatus{}
		for i := range n {
			count := v1alpha1.ViolationCount{Reason: fmt.Sprintf("Reason%d", i), Pods: 1}
			s.ViolationsByReason = append(s.ViolationsByReason, count)
		}
		return s
	}
	observed := func(n int) v1alpha1.SharedMemoryPolicyStatus {
		s := v1alpha1.SharedMemoryPolicyStatus{}
		for i := range n {
			o := v1alpha1.Observation{Namespace: "default", Workload: fmt.Sprintf("Deployment/app%d", i)}
			s.Observed = append(s.Observed, o)
		}
		return s
	}
	twice := reasons(1)
	twice.ViolationsByReason = append(twice.ViolationsByReason, twice.ViolationsByReason[0])
	created(t, "bounds")
	for name, c := range map[string]struct {
		status  v1alpha1.SharedMemoryPolicyStatus
		invalid string // the field; empty if none is
	}{
		"16 reasons":                     {reasons(16), ""},
		"17 reasons":                     {reasons(17), "status.violationsByReason"},
		"20 workloads":                   {observed(20), ""},
		"21 workloads":                   {observed(21), "status.observed"},
		"a reason that is counted twice": {twice, "status.violationsByReason[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &v1alpha1.SharedMemoryPolicy{}
			if err := kubeClient.Get(t.Context(), client.ObjectKey{Name: "bounds"}, p); err != nil {
				t.Fatal(err)
			}
			p.Status = c.status
			var fields []string
			err := kubeClient.Status().Update(t.Context(), p)
			var status apierrors.APIStatus
			switch {
			case errors.As(err, &status) && apierrors.IsInvalid(err):
				for _, cause := range status.Status().Details.Causes {
					switch {
					case cause.Field == "<nil>": // that some rules were not checked
					case minor < newest && !strings.HasPrefix(cause.Field, "status."): // it names fields from status on
						fields = append(fields, "status."+cause.Field)
					default:
						fields = append(fields, cause.Field)
					}
				}
			case err != nil:
				t.Fatal(err)
			}
			if got := strings.Join(fields, ", "); got != c.invalid {
				t.Errorf("got %q as invalid, want %q: %v", got, c.invalid, err)
			}
		})
	}
}

// By the short name, which is so tested as well.
func TestKubectlGet_Columns(t *testing.T) {
	p := &v1alpha1.SharedMemoryPolicy{}
	p.Name = "columns"
	p.Spec.Mode, p.Spec.Priority = v1alpha1.Warn, 7
	p.Spec.Match = []v1alpha1.Match{{Mounted: new(true)}}
	if err := kubeClient.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	size := resource.MustParse("897Mi")
	p.Status.Size, p.Status.SizeLimit = size.String(), &size
	p.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionSizeSufficient, Status: metav1.ConditionTrue,
		Reason: "SizeHolds", LastTransitionTime: metav1.Now(),
	}}
	p.Status.MatchedPods, p.Status.ViolatingPods = new(int32(3)), new(int32(0))
	if err := kubeClient.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	out, err := plane.Kubectl(t.Context(), "get", "shmp", p.Name)
	if err != nil {
		t.Fatal(err)
	}
	header, row, _ := strings.Cut(out, "\n")
	want := []string{"NAME", "MODE", "PRIORITY", "SIZE", "SUFFICIENT", "PODS", "VIOLATIONS", "AGE"}
	if diff := cmp.Diff(want, strings.Fields(header)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got := strings.Fields(row)
	if len(got) > 0 {
		got = got[:len(got)-1] // the age
	}
	if diff := cmp.Diff([]string{"columns", "Warn", "7", "897Mi", "True", "3", "0"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The rules run within the API server's budget for as much as the schema lets in.
func TestCreate_LargestPolicy(t *testing.T) {
	texts := func(n, length int) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = fmt.Sprintf("%0*d", length, i)
		}
		return list
	}
	matches := make([]any, 32)
	for i := range matches {
		matches[i] = map[string]any{
			"images": texts(64, 255), "tmpfsPaths": "Detect", "mounted": true,
			"podSelector": map[string]any{}, "namespaceSelector": map[string]any{},
		}
	}
	u := policyOf(t, "largest", `{sizing: {units: {each: 1Mi, count: {}}, min: 1Pi, max: 1Pi}}`)
	for _, part := range []struct {
		value any
		path  []string
	}{
		{matches, []string{"spec", "match"}},
		{matches, []string{"spec", "exclude"}},
		{texts(32, 63), []string{"spec", "writers", "names"}},
		{texts(16, 317), []string{"spec", "sizing", "units", "count", "resources"}},
		{"/" + fmt.Sprintf("%0254d", 0), []string{"spec", "mountPath"}},
	} {
		if err := unstructured.SetNestedField(u.Object, part.value, part.path...); err != nil {
			t.Fatal(err)
		}
	}
	if err := kubeClient.Create(t.Context(), u); err != nil {
		t.Error(err)
	}
}

package policy

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestPolicy_SizeText(t *testing.T) {
	for sizing, want := range map[string]string{
		"":                               "none",
		"{fixed: {size: 1Gi}}":           "1Gi",
		"{memoryPercent: {percent: 30}}": "30% of memory",
		"{units: {each: 64Mi, count: {literal: 4}}}":                            "256Mi",
		"{units: {each: 64Mi, count: {annotation: x/y, absent: 1}}}":            "64Mi each",
		"{units: {base: 1Gi, each: 4Gi, count: {resources: [nvidia.com/gpu]}}}": "1Gi + 4Gi each",
	} {
		p := &v1alpha1.SharedMemoryPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		p.Spec.Match = []v1alpha1.Match{{PodSelector: &metav1.LabelSelector{}}}
		if sizing != "" {
			if err := yaml.UnmarshalStrict([]byte(sizing), &p.Spec.Sizing); err != nil {
				t.Fatal(err)
			}
		}
		compiled, errs := Compile(p)
		if len(errs) > 0 {
			t.Fatalf("%s: %v", sizing, errs.ToAggregate())
		}
		if got := compiled.SizeText(); got != want {
			t.Errorf("%s: %q, want %q", sizing, got, want)
		}
	}
	if got := (Policy{}).SizeText(); got != "none" {
		t.Errorf("the zero Policy: %q", got)
	}
}

func TestPolicy_ZeroHasNothing(t *testing.T) {
	var p Policy
	if p.Name() != "" || p.Mode() != "" || p.MountPath() != "" {
		t.Errorf("the zero Policy is %q, %q, %q", p.Name(), p.Mode(), p.MountPath())
	}
	if s, ok := p.Size(); ok {
		t.Errorf("the zero Policy has the size %+v", s)
	}
	if s, ok := p.SizeOf(&v1alpha1.Observation{}); ok {
		t.Errorf("the zero Policy has the size %+v of an observation", s)
	}
	if field, message := p.SizeWarning(); field != "" || message != "" {
		t.Errorf("the zero Policy warns: %s: %s", field, message)
	}
	if _, _, ok := p.Files(); ok {
		t.Error("the zero Policy has a files model")
	}
}

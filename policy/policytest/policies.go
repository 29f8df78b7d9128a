package policytest

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// NewPolicy returns a valid policy of 256Mi with the given entries of match, as an API server stores
// its first version.
func NewPolicy(name string, match ...v1alpha1.Match) *v1alpha1.SharedMemoryPolicy {
	return &v1alpha1.SharedMemoryPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "1", Generation: 1},
		Spec: v1alpha1.SharedMemoryPolicySpec{
			Match:  match,
			Sizing: &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: resource.MustParse("256Mi")}},
		},
	}
}

// AppPolicy returns a valid policy of 256Mi for the Pods of one app.
func AppPolicy(name, app string) *v1alpha1.SharedMemoryPolicy {
	return NewPolicy(name, v1alpha1.Match{PodSelector: selecting("app", app)})
}

// ManyPolicies returns the library and as many policies for other workloads as make n, by label,
// image, namespace and path in equal parts.
func ManyPolicies(tb testing.TB, n int) policy.Set {
	tb.Helper()
	var out []policy.Policy
	for _, file := range policies.All() {
		p := Library(tb, file.Name)
		out = append(out, compile(tb, &p))
	}
	for i := len(out); i < n; i++ {
		app := fmt.Sprintf("app-%d", i)
		var m v1alpha1.Match
		switch i % 4 {
		case 0:
			m.PodSelector = selecting("app", app)
			m.PodSelector.MatchLabels["app.kubernetes.io/managed-by"] = "goauthentik.io"
		case 1:
			m.Images = []string{"ghcr.io/goauthentik/" + app}
		case 2:
			m.Images = []string{"registry.example.org/" + app + "/*"}
		case 3:
			m.NamespaceSelector = selecting(corev1.LabelMetadataName, app)
			m.TmpfsPaths = v1alpha1.TmpfsPathsDetect
		}
		out = append(out, compile(tb, NewPolicy(app, m)))
	}
	return policy.NewSet(out...)
}

func selecting(label, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}
}

func compile(tb testing.TB, p *v1alpha1.SharedMemoryPolicy) policy.Policy {
	tb.Helper()
	out, errs := policy.Compile(p)
	if len(errs) > 0 {
		tb.Fatalf("policy %q: %v", p.Name, errs.ToAggregate())
	}
	return out
}

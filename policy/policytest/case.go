// Package policytest holds the cases that everything which decides by policies is
// tested with: the engine, the command line and the API server.
package policytest

import (
	"embed"
	"fmt"
	"io/fs"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

//go:embed cases
var files embed.FS

// Case is an object, the policies that are in force, and what comes of it.
type Case struct {
	// Name is a sentence.
	Name string `json:"name"`
	// Library names policies of the library.
	Library []string `json:"library,omitempty"`
	// Policies are further ones.
	Policies []v1alpha1.SharedMemoryPolicy `json:"policies,omitempty"`
	// NamespaceLabels are those of the object's namespace.
	NamespaceLabels map[string]string `json:"namespaceLabels,omitempty"`
	// LimitRanges are those of the object's namespace.
	LimitRanges []corev1.LimitRange `json:"limitRanges,omitempty"`
	// ResourceQuotas are likewise. One without status is a new one, of which nothing
	// is used.
	ResourceQuotas []corev1.ResourceQuota `json:"resourceQuotas,omitempty"`
	// Object is a Pod or a workload.
	Object runtime.RawExtension `json:"object"`
	// OfflineOnly is why an API server would not let the case come about; empty for
	// most.
	OfflineOnly string `json:"offlineOnly,omitempty"`
	Want        Result `json:"want"`
}

// Result is what comes of a case.
type Result struct {
	Outcome policy.Outcome `json:"outcome"`
	Reason  policy.Reason  `json:"reason"`
	Policy  string         `json:"policy,omitempty"`
	// Violations are the reasons of a Violating object, in their order.
	Violations []policy.Reason `json:"violations,omitempty"`
	// Warnings is how many warnings the owner gets.
	Warnings int `json:"warnings,omitempty"`
	// Containers are the containers afterwards; those of which nothing is to be
	// told are left out.
	Containers map[string]Container `json:"containers,omitempty"`
	// PodMemory is the pod-level memory afterwards.
	PodMemory Memory `json:"podMemory,omitzero"`
}

// Container is what a container has after the decision.
type Container struct {
	// Volume and SizeLimit are those of the Memory emptyDir at /dev/shm, or
	// wherever the case's policy mounts it.
	Volume    string   `json:"volume,omitempty"`
	SizeLimit string   `json:"sizeLimit,omitempty"`
	Options   []string `json:"options,omitempty"`
	Memory
}

// Memory is a limit and request, as quantities; empty where there is none.
type Memory struct {
	Limit   string `json:"limit,omitempty"`
	Request string `json:"request,omitempty"`
}

// Cases are all cases, by file and then in order. Each name occurs once.
func Cases(tb testing.TB) []Case {
	tb.Helper()
	var all []Case
	seen := map[string]string{}
	err := fs.WalkDir(files, "cases", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		var cases []Case
		if err := yaml.UnmarshalStrict(text, &cases); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, c := range cases {
			if earlier, found := seen[c.Name]; found || c.Name == "" {
				return fmt.Errorf("%s: the name %q is empty or stands in %s already", path, c.Name, earlier)
			}
			seen[c.Name] = path
		}
		all = append(all, cases...)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// AllPolicies are the policies of a case: the named ones of the library, and its own.
func (c Case) AllPolicies(tb testing.TB) []v1alpha1.SharedMemoryPolicy {
	tb.Helper()
	var out []v1alpha1.SharedMemoryPolicy
	for _, name := range c.Library {
		out = append(out, Library(tb, name))
	}
	return append(out, c.Policies...)
}

// Library is a policy of the library.
func Library(tb testing.TB, name string) v1alpha1.SharedMemoryPolicy {
	tb.Helper()
	for _, file := range policies.All() {
		if file.Name != name {
			continue
		}
		var p v1alpha1.SharedMemoryPolicy
		if err := yaml.UnmarshalStrict(file.YAML, &p); err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		return p
	}
	tb.Fatalf("the library has no policy %q", name)
	return v1alpha1.SharedMemoryPolicy{}
}

// Typed is the object of a case, as the type that it is of.
func (c Case) Typed(tb testing.TB) runtime.Object {
	tb.Helper()
	var kind struct {
		Kind string `json:"kind"`
	}
	if err := yaml.Unmarshal(c.Object.Raw, &kind); err != nil {
		tb.Fatal(err)
	}
	kinds := map[string]runtime.Object{
		"Pod":                   &corev1.Pod{},
		"Deployment":            &appsv1.Deployment{},
		"StatefulSet":           &appsv1.StatefulSet{},
		"DaemonSet":             &appsv1.DaemonSet{},
		"ReplicaSet":            &appsv1.ReplicaSet{},
		"ReplicationController": &corev1.ReplicationController{},
		"Job":                   &batchv1.Job{},
		"CronJob":               &batchv1.CronJob{},
	}
	object := kinds[kind.Kind]
	if object == nil {
		tb.Fatalf("case %q has an object of kind %q", c.Name, kind.Kind)
	}
	if err := yaml.UnmarshalStrict(c.Object.Raw, object); err != nil {
		tb.Fatalf("case %q: %v", c.Name, err)
	}
	return object
}

// Set is the compiled policies of a case.
func (c Case) Set(tb testing.TB) policy.Set {
	tb.Helper()
	var compiled []policy.Policy
	for _, source := range c.AllPolicies(tb) {
		p, errs := policy.Compile(&source)
		if len(errs) > 0 {
			tb.Fatalf("case %q: policy %q: %v", c.Name, source.Name, errs.ToAggregate())
		}
		compiled = append(compiled, p)
	}
	return policy.NewSet(compiled...)
}

// withStatus is a ResourceQuota with the status that one begins with, where it has
// none.
func withStatus(quota *corev1.ResourceQuota) *corev1.ResourceQuota {
	if quota.Status.Hard != nil {
		return quota
	}
	out := quota.DeepCopy()
	out.Status = corev1.ResourceQuotaStatus{Hard: out.Spec.Hard, Used: corev1.ResourceList{}}
	for name := range out.Spec.Hard {
		out.Status.Used[name] = resource.Quantity{}
	}
	return out
}

// Subject is the object of a case as the engine sees it.
func (c Case) Subject(tb testing.TB) policy.Subject {
	tb.Helper()
	subject, ok := policy.NewSubject(c.Typed(tb))
	if !ok {
		tb.Fatalf("case %q has an object without a Pod", c.Name)
	}
	subject.NamespaceLabels = c.NamespaceLabels
	for i := range c.LimitRanges {
		subject.LimitRanges = append(subject.LimitRanges, &c.LimitRanges[i])
	}
	for i := range c.ResourceQuotas {
		subject.ResourceQuotas = append(subject.ResourceQuotas, withStatus(&c.ResourceQuotas[i]))
	}
	return subject
}

// Package policytest holds what tests of evaluations share: the cases with which the engine, the
// command line and the API server are tested, a builder of Pods.
package policytest

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/internal/testcase"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

//go:embed cases
var files embed.FS

// Case represents an object, the policies in force, and the wanted outcome.
type Case testcase.Case

type (
	// Want is what a case wants.
	Want = testcase.Want
	// Container is what a case wants of a container.
	Container = testcase.Container
	// Memory is what a case wants of a container's memory.
	Memory = testcase.Memory
	// Result is the outcome of a case.
	Result = testcase.Result
)

// Cases returns all cases, by file and then in order. Each name occurs once.
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
				return fmt.Errorf("%s: the name %q is empty or also in %s: give each case a name of its own",
					path, c.Name, earlier)
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

// AllPolicies returns the policies of a case: the named ones of the library, and its own.
func (c Case) AllPolicies(tb testing.TB) []v1alpha1.SharedMemoryPolicy {
	tb.Helper()
	var out []v1alpha1.SharedMemoryPolicy
	for _, name := range c.Library {
		if name == "*" {
			for _, file := range policies.All() {
				out = append(out, Library(tb, file.Name))
			}
			continue
		}
		out = append(out, Library(tb, name))
	}
	return append(out, c.Policies...)
}

// PoliciesKey returns a text that is the same for cases with the same policies.
func (c Case) PoliciesKey(tb testing.TB) string {
	tb.Helper()
	text, err := json.Marshal(c.AllPolicies(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// Library returns a policy of the library.
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

// Typed returns the object of a case, as a new value of its own type.
func (c Case) Typed(tb testing.TB) runtime.Object {
	tb.Helper()
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(c.Object.Raw, &meta); err != nil {
		tb.Fatal(err)
	}
	object := podkind.New(meta.APIVersion, meta.Kind)
	if object == nil {
		tb.Fatalf("case %q has an object of kind %q", c.Name, meta.Kind)
	}
	if err := yaml.UnmarshalStrict(c.Object.Raw, object); err != nil {
		tb.Fatalf("case %q: %v", c.Name, err)
	}
	return object
}

// Pod returns the Pod that a case is about, or that its workload would make, as a new value.
func (c Case) Pod(tb testing.TB) *corev1.Pod {
	tb.Helper()
	object := c.Typed(tb)
	if pod, ok := object.(*corev1.Pod); ok {
		return pod
	}
	subject, ok := policy.NewSubject(object)
	if !ok {
		tb.Fatalf("%T has no Pod", object)
	}
	pod := &corev1.Pod{Spec: *podkind.SpecOf(object).DeepCopy()}
	pod.Labels, pod.Annotations = subject.Pod.Metadata.Labels, subject.Pod.Metadata.Annotations
	// A controller fills in the volumes of claims.
	for _, claim := range subject.Claims {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}})
	}
	return pod
}

// Set returns the compiled policies of a case, with its mirrors.
func (c Case) Set(tb testing.TB) policy.Set {
	tb.Helper()
	var compiled []policy.Policy
	for _, source := range c.AllPolicies(tb) {
		compiled = append(compiled, compile(tb, &source))
	}
	mirrors, err := policy.ParseMirrors(c.ImageMirrors)
	if err != nil {
		tb.Fatalf("case %q: %v", c.Name, err)
	}
	return policy.NewSet(compiled...).WithImageMirrors(mirrors)
}

// MountPath returns where the policy of the given name mounts.
func (c Case) MountPath(tb testing.TB, name string) string {
	tb.Helper()
	for _, p := range c.AllPolicies(tb) {
		if p.Name == name && p.Spec.MountPath != "" {
			return p.Spec.MountPath
		}
	}
	return "/dev/shm"
}

// Subject returns the object of a case as the engine sees it.
func (c Case) Subject(tb testing.TB) policy.Subject {
	tb.Helper()
	return c.SubjectOf(tb, c.Typed(tb))
}

// SubjectOf returns an object as the engine sees it in the case's namespace.
func (c Case) SubjectOf(tb testing.TB, object runtime.Object) policy.Subject {
	tb.Helper()
	subject, ok := policy.NewSubject(object)
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

// withStatus returns a ResourceQuota with the status that a new one has, unless it has one.
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

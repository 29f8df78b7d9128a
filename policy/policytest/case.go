// Package policytest holds what tests of evaluations share: the cases with which the engine, the
// command line and the API server are tested, a builder of Pods.
package policytest

import (
	"embed"
	"fmt"
	"io/fs"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/podkind"
	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

//go:embed cases
var files embed.FS

// Case represents an object, the policies in force, and what has to come of it.
type Case struct {
	// Name is a sentence.
	Name string `json:"name"`
	// Library names policies of the library; "*" stands for all of them.
	Library []string `json:"library,omitempty"`
	// Policies are further ones.
	Policies []v1alpha1.SharedMemoryPolicy `json:"policies,omitempty"`
	// ImageMirrors are the server's --image-mirrors.
	ImageMirrors []string `json:"imageMirrors,omitempty"`
	// NamespaceLabels are those of the object's namespace.
	NamespaceLabels map[string]string `json:"namespaceLabels,omitempty"`
	// LimitRanges are those of the object's namespace.
	LimitRanges []corev1.LimitRange `json:"limitRanges,omitempty"`
	// ResourceQuotas are those of the object's namespace. One without status is new, and
	// nothing of it is used.
	ResourceQuotas []corev1.ResourceQuota `json:"resourceQuotas,omitempty"`
	// Object is a Pod or a workload.
	Object runtime.RawExtension `json:"object"`
	// OfflineOnly says why an API server would not let the case happen; empty for most.
	OfflineOnly string `json:"offlineOnly,omitempty"`
	// Want is worked out by hand from the design, never copied from what a program prints.
	Want Want `json:"want"`
}

// Want represents what has to come of a case.
type Want struct {
	Outcome policy.Outcome `json:"outcome"`
	Reason  policy.Reason  `json:"reason"`
	// Policy is the name of the policy that decides; empty if none does.
	Policy string `json:"policy,omitempty"`
	// Violations are the reasons of a Violating object, in any order. They are not
	// looked at otherwise.
	Violations []policy.Reason `json:"violations,omitempty"`
	// Warnings is how many warnings the owner gets.
	Warnings int `json:"warnings,omitempty"`
	// WarningsContain are texts; each has to be part of a warning.
	WarningsContain []string `json:"warningsContain,omitempty"`
	// MessagesContain are texts; each has to be part of a warning or another message.
	MessagesContain []string `json:"messagesContain,omitempty"`
	// MessagesLack are texts that no warning and no other message may contain.
	MessagesLack []string `json:"messagesLack,omitempty"`
	// Containers are the containers afterwards, with everything that Container says of
	// them; those that a case does not name may be anything.
	Containers map[string]Container `json:"containers,omitempty"`
	// PodMemory is the pod-level memory afterwards; not looked at if it is empty.
	PodMemory Memory `json:"podMemory,omitzero"`
	// Volumes are the sizeLimits of volumes afterwards, by name; "" for none.
	Volumes map[string]string `json:"volumes,omitempty"`
	// Sharing are groups of containers that have to share what they see at the mount
	// path: the same volume in each, or the runtime's /dev/shm in each. Two groups have
	// to differ.
	Sharing [][]string `json:"sharing,omitempty"`
}

// Container represents what a container has after the evaluation.
type Container struct {
	// Volume and SizeLimit are those of the volume at the mount path; empty for none.
	Volume    string   `json:"volume,omitempty"`
	SizeLimit string   `json:"sizeLimit,omitempty"`
	Options   []string `json:"options,omitempty"`
	Memory
}

// Memory represents a limit and a request, as quantities: empty for none, and "*" in a case
// for any. (An API server fills in a request where a manifest has only a limit.)
type Memory struct {
	Limit   string `json:"limit,omitempty"`
	Request string `json:"request,omitempty"`
}

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

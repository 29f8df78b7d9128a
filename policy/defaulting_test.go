package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

func TestSubject_WithoutDefaults(t *testing.T) {
	const (
		two     = "containers: [{name: a, resources: {limits: {memory: 256Mi}, requests: {memory: 64Mi}}}, {name: b, resources: {limits: {memory: 256Mi}, requests: {memory: 64Mi}}}]"
		cpu     = `{"f:spec":{"f:resources":{".":{},"f:limits":{".":{},"f:cpu":{}}}}}`
		nothing = `{"f:metadata":{"f:labels":{}}}`
	)
	for name, c := range map[string]struct {
		spec, managed string
		record        string
		// want are the pod-level resources.
		want string
	}{
		"a Pod without pod-level resources":                 {two, cpu, "", "null"},
		"pod-level resources of something else":             {"{" + two + ", resources: {limits: {hugepages-2Mi: 2Mi}}}", nothing, "", "{limits: {hugepages-2Mi: 2Mi}}"},
		"the sums of the containers, beside what was named": {"{" + two + `, resources: {limits: {cpu: "2", memory: 512Mi}, requests: {cpu: "2", memory: 128Mi}}}`, cpu, "", `{limits: {cpu: "2"}, requests: {}}`},
		"a limit that is the request": {
			"{" + two + ", resources: {limits: {memory: 1Gi}, requests: {memory: 1Gi}}}",
			`{"f:spec":{"f:resources":{"f:requests":{"f:memory":{}}}}}`, "", "{limits: {}, requests: {memory: 1Gi}}",
		},
		"a request that is the limit": {
			"{containers: [{name: a}], resources: {limits: {memory: 1Gi}, requests: {memory: 1Gi}}}",
			`{"f:spec":{"f:resources":{"f:limits":{"f:memory":{}}}}}`, "", "{limits: {memory: 1Gi}, requests: {}}",
		},
		"the same sums, which somebody wrote": {
			"{" + two + ", resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}",
			`{"f:spec":{"f:resources":{"f:limits":{"f:memory":{}},"f:requests":{"f:memory":{}}}}}`, "", "{limits: {memory: 512Mi}, requests: {memory: 128Mi}}",
		},
		"figures that are not sums, of another webhook": {
			"{" + two + ", resources: {limits: {memory: 600Mi}, requests: {memory: 200Mi}}}", nothing, "", "{limits: {memory: 600Mi}, requests: {memory: 200Mi}}",
		},
		"a limit where a container names none": {
			"{containers: [{name: a, resources: {limits: {memory: 512Mi}}}, {name: b}], resources: {limits: {memory: 512Mi}}}", nothing, "", "{limits: {memory: 512Mi}}",
		},
		"a record of a mutation, which anybody may have written": {
			"{" + two + ", resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}", nothing,
			`{"policy":"p","volume":"v","sizeLimit":"64Mi","pod":{"limit":536870912,"request":134217728,"charge":1}}`, "{limits: {}, requests: {}}",
		},
		"managed fields that cannot be read": {
			"{" + two + ", resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}", "[]", "", "{limits: {}, requests: {}}",
		},
		"a limit of memory alone":   {"{" + two + ", resources: {limits: {memory: 512Mi}}}", nothing, "", "{limits: {}}"},
		"a request of memory alone": {"{" + two + ", resources: {requests: {memory: 128Mi}}}", nothing, "", "{requests: {}}"},
		"a limit of CPU alone":      {"{" + two + ", resources: {limits: {cpu: 2}}}", nothing, "", "{limits: {}}"},
		"a request of CPU alone":    {"{" + two + ", resources: {requests: {cpu: 2}}}", nothing, "", "{requests: {}}"},
		"a request of CPU that was named": {
			"{" + two + ", resources: {limits: {cpu: 2}, requests: {cpu: 2}}}", `{"f:spec":{"f:resources":{"f:requests":{"f:cpu":{}}}}}`, "", "{limits: {}, requests: {cpu: 2}}",
		},
		"no managed fields": {
			"{" + two + ", resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}}", "", "", "{limits: {memory: 512Mi}, requests: {memory: 128Mi}}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{}
			if err := yaml.UnmarshalStrict([]byte(c.spec), &pod.Spec); err != nil {
				t.Fatal(err)
			}
			if c.managed != "" {
				pod.ManagedFields = []metav1.ManagedFieldsEntry{
					{Manager: "kubectl"},
					{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(c.managed)},
				}
			}
			if c.record != "" {
				pod.Annotations = map[string]string{"shmkeeper.dev/injected": c.record}
			}
			before := pod.DeepCopy()
			subject, _ := policy.NewSubject(pod)
			var want *corev1.ResourceRequirements
			if err := yaml.UnmarshalStrict([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, subject.WithoutDefaults().Pod.Spec.Resources); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(before, pod); diff != "" {
				t.Errorf("the Pod was changed:\n%s", diff)
			}
		})
	}
}

func TestSubject_WithoutDefaultsOfATemplate(t *testing.T) {
	d := &appsv1.Deployment{}
	d.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(`{}`)},
	}
	if err := yaml.UnmarshalStrict([]byte("{containers: [{name: a}], resources: {limits: {memory: 1Gi}}}"), &d.Spec.Template.Spec); err != nil {
		t.Fatal(err)
	}
	subject, _ := policy.NewSubject(d)
	if got := subject.WithoutDefaults(); got.Pod != subject.Pod {
		t.Errorf("the template now has the resources %v", got.Pod.Spec.Resources)
	}
}

// An entry that says nothing, or cannot be read, does not hide the ones behind it; of too many entries,
// or containers, nothing is read.
func TestSubject_WithoutDefaultsAndManyEntries(t *testing.T) {
	const limits = `{"f:spec":{"f:resources":{"f:limits":{"f:memory":{}}}}}`
	filler := func(n int, text string) []metav1.ManagedFieldsEntry {
		out := make([]metav1.ManagedFieldsEntry, n)
		for i := range out {
			if text != "" {
				out[i].FieldsV1 = metav1.NewFieldsV1(text)
			}
		}
		return out
	}
	named := metav1.ManagedFieldsEntry{FieldsV1: metav1.NewFieldsV1(limits)}
	asked := metav1.ManagedFieldsEntry{FieldsV1: metav1.NewFieldsV1(strings.ReplaceAll(limits, "limits", "requests"))}
	for name, c := range map[string]struct {
		entries    []metav1.ManagedFieldsEntry
		containers int
		want       string
	}{
		"one":                                        {[]metav1.ManagedFieldsEntry{named}, 1, "{limits: {memory: 512Mi}, requests: {}}"},
		"behind one without fields":                  {append(filler(1, ""), named), 1, "{limits: {memory: 512Mi}, requests: {}}"},
		"behind one that is not an object":           {append(filler(1, "[]"), named), 1, "{limits: {memory: 512Mi}, requests: {}}"},
		"a request behind one without fields":        {append(filler(1, ""), asked), 1, "{limits: {memory: 512Mi}, requests: {memory: 512Mi}}"},
		"a request behind one that is not an object": {append(filler(1, "[]"), asked), 1, "{limits: {memory: 512Mi}, requests: {memory: 512Mi}}"},
		"256 entries":                                {append(filler(255, ""), named), 1, "{limits: {memory: 512Mi}, requests: {}}"},
		"257 entries":                                {append(filler(256, ""), named), 1, "{limits: {memory: 512Mi}, requests: {memory: 512Mi}}"},
		"256 containers":                             {[]metav1.ManagedFieldsEntry{named}, 256, "{limits: {memory: 512Mi}, requests: {}}"},
		"257 containers":                             {[]metav1.ManagedFieldsEntry{named}, 257, "{limits: {memory: 512Mi}, requests: {memory: 512Mi}}"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := policytest.ParsePod("{spec: {resources: {limits: {memory: 512Mi}, requests: {memory: 512Mi}}}}")
			pod.ManagedFields, pod.Spec.Containers = c.entries, make([]corev1.Container, c.containers)
			var want *corev1.ResourceRequirements
			if err := yaml.UnmarshalStrict([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			subject, _ := policy.NewSubject(pod)
			if diff := cmp.Diff(want, subject.WithoutDefaults().Pod.Spec.Resources); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

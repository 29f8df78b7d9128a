package webhook

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Each shared case that is about a workload, as its API server sends it: the warnings say what
// happens to its Pods, and nothing is denied or changed.
func TestWarnWorkloads_EachKind(t *testing.T) {
	kinds := map[string]bool{}
	for _, c := range policytest.Cases(t) {
		subject := c.Subject(t)
		if subject.Kind == "Pod" {
			continue
		}
		kinds[subject.Kind] = true
		t.Run(c.Name, func(t *testing.T) {
			labels := map[string]string{v1alpha1.LabelMode: "enforce"}
			maps.Copy(labels, c.NamespaceLabels)
			o := Options{
				Cluster: fakeCluster{
					set: c.Set(t), namespaces: map[string]map[string]string{"enforce": labels},
					limits: subject.LimitRanges, quotas: subject.ResourceQuotas,
				},
				MaxMode: v1alpha1.Enforce,
				Metrics: NewMetrics(prometheus.NewRegistry()),
			}
			r := handle(t, warnWorkloads(o), request(t, admissionv1.Create, kindOf(t, c), "enforce", string(c.Object.Raw), ""))
			if !r.Allowed || len(r.Patch) > 0 {
				t.Fatalf("allowed %t, patch %s", r.Allowed, r.Patch)
			}
			outcome := string(c.Want.Outcome)
			if c.Want.Outcome == policy.NotMatched {
				outcome = ""
			}
			if got := r.AuditAnnotations["outcome"]; got != outcome {
				t.Errorf("outcome %q, want %q", got, outcome)
			}
			first := strings.Join(r.Warnings[:min(1, len(r.Warnings))], "")
			for wanted, words := range wordsForPods(t, c) {
				words = "Pods of this " + subject.Kind + words
				if strings.HasPrefix(first, words) != (c.Want.Outcome == wanted) {
					t.Errorf("outcome %s, and the first warning is %q", c.Want.Outcome, first)
				}
			}
		})
	}
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"} {
		if !kinds[kind] {
			t.Errorf("no case is about a %s: add one to the cases of policytest", kind)
		}
	}
}

// The Pods of a template without memory get that of a LimitRange, and are raised from there.
func TestWarnWorkloads_LimitRange(t *testing.T) {
	limitRange := &corev1.LimitRange{}
	limitRange.Name = "defaults"
	limitRange.Spec.Limits = []corev1.LimitRangeItem{{
		Type:           corev1.LimitTypeContainer,
		Default:        corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		DefaultRequest: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
	}}
	o := options(t, raising)
	c, ok := o.Cluster.(fakeCluster)
	if !ok {
		t.Fatalf("the cluster is a %T", o.Cluster)
	}
	c.limits = []*corev1.LimitRange{limitRange}
	o.Cluster = c
	deployment := metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	r := handle(t, warnWorkloads(o), request(t, admissionv1.Create, deployment, "enforce",
		"{metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}}", ""))
	want := []string{`Pods of this Deployment will be changed by SharedMemoryPolicy "p", which adds a Memory emptyDir of 256Mi and mounts it ` +
		`at /dev/shm in "web", raises the memory limit of "web" from 256Mi to 513Mi and its request from 64Mi to 320Mi`}
	if diff := cmp.Diff(want, r.Warnings); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// wordsForPods returns how a warning about Pods goes on that are changed or rejected, under the
// policy that decides.
func wordsForPods(t *testing.T, c policytest.Case) map[policy.Outcome]string {
	t.Helper()
	for _, p := range c.AllPolicies(t) {
		if p.Name == c.Want.Policy && p.Spec.Mode == v1alpha1.Warn {
			return map[policy.Outcome]string{
				policy.Mutated:   " would be changed in mode enforce by SharedMemoryPolicy ",
				policy.Violating: " would violate SharedMemoryPolicy ",
			}
		}
	}
	return map[policy.Outcome]string{
		policy.Mutated:   " will be changed by SharedMemoryPolicy ",
		policy.Violating: " will be rejected, because they violate SharedMemoryPolicy ",
	}
}

func kindOf(t *testing.T, c policytest.Case) metav1.GroupVersionKind {
	t.Helper()
	gvk := c.Typed(t).GetObjectKind().GroupVersionKind()
	if gvk == (schema.GroupVersionKind{}) {
		t.Fatalf("case %q has an object without apiVersion and kind", c.Name)
	}
	return metav1.GroupVersionKind{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}
}

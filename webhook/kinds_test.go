package webhook

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Each shared case that is about a workload, as its API server sends it: the warnings
// tell what comes of its Pods, and nothing is denied or changed.
func TestWarnTemplatesKnowsEachKindOfWorkload(t *testing.T) {
	kinds := map[string]bool{}
	for _, c := range policytest.Cases(t) {
		subject := c.Subject(t)
		if subject.Kind == "Pod" {
			continue
		}
		kinds[subject.Kind] = true
		t.Run(c.Name, func(t *testing.T) {
			o := Options{
				Cluster: fakeCluster{
					set: c.Set(t), namespaces: map[string]map[string]string{"enforce": {v1alpha1.LabelMode: "enforce"}},
					limits: subject.LimitRanges, quotas: subject.ResourceQuotas,
				},
				MaxMode: v1alpha1.Enforce,
				Metrics: NewMetrics(prometheus.NewRegistry()),
			}
			r := handle(t, WarnTemplates(o), request(t, admissionv1.Create, kindOf(t, c), "enforce", string(c.Object.Raw), ""))
			if !r.Allowed || len(r.Patch) > 0 {
				t.Fatalf("allowed %t, patch %s", r.Allowed, r.Patch)
			}
			if len(r.Warnings) == 0 || !strings.HasPrefix(r.Warnings[0], "Pods of this "+subject.Kind+" will be ") {
				t.Errorf("warnings %q", r.Warnings)
			}
			if got := r.AuditAnnotations["outcome"]; got != string(c.Want.Outcome) {
				t.Errorf("outcome %q, want %q", got, c.Want.Outcome)
			}
			if refused := strings.Contains(r.Warnings[0], "will be refused"); refused != (c.Want.Outcome == policy.Violating) {
				t.Errorf("outcome %s is told as %q", c.Want.Outcome, r.Warnings[0])
			}
		})
	}
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"} {
		if !kinds[kind] {
			t.Errorf("no case is about a %s: add one to the cases of policytest", kind)
		}
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

package webhook

import (
	"context"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// BenchmarkValidate measures what a validating request costs, with 500 policies: the evaluation and the
// violations alone, and the whole handler with the decoding of the Pod. The Pod is the
// incident's, as it was mutated, and as it would be if it was not.
func BenchmarkValidate(b *testing.B) {
	o := options(b, raising)
	o.Cluster = fakeCluster{
		set:        policytest.ManyPolicies(b, 500),
		namespaces: map[string]map[string]string{"authentik": {v1alpha1.LabelMode: "enforce", corev1.LabelMetadataName: "authentik"}},
	}
	o.Metrics = NewMetrics(prometheus.NewRegistry())
	plain := request(b, admissionv1.Create, podKind, "authentik", policytest.IncidentPod, "")
	mutated := plain
	ops, err := jsonpatch.DecodePatch(handle(b, mutatePods(o), plain).Patch)
	if err != nil {
		b.Fatal(err)
	}
	if mutated.Object.Raw, err = ops.Apply(plain.Object.Raw); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		request admission.Request
		outcome policy.Outcome
	}{{"compliant", mutated, policy.Compliant}, {"rejected", plain, policy.Mutated}} {
		r := newRequest(&c.request, decodePod)
		subject, err := o.subject(r, r.object)
		if err != nil {
			b.Fatal(err)
		}
		set := o.Cluster.Policies()
		if e := set.Evaluate(subject); e.Outcome != c.outcome || e.Policy != "authentik-proxy-outposts" {
			b.Fatalf("outcome %s by %q", e.Outcome, e.Policy)
		}
		b.Run("evaluation/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a := attributes{call: createPod, evaluation: set.Evaluate(subject.WithoutDefaults())}
				if a.needsViolations() {
					a.violations = a.evaluation.Before()
				}
			}
		})
		b.Run("handler/"+c.name, func(b *testing.B) {
			enforce := enforcePods(o)
			b.ReportAllocs()
			for b.Loop() {
				enforce.Handle(context.Background(), c.request)
			}
		})
	}
}

package manifests_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// A rollout takes no replica away before a new one is ready. The exception is the network of the nodes, where a new replica
// may have to wait for the port of an old one; there, as while nodes are drained, one of two replicas stays.
func TestDeployment_AlwaysHasAReplica(t *testing.T) {
	none, one := intstr.FromInt32(0), intstr.FromInt32(1)
	base, host := object[appsv1.Deployment](t, "base/deployment.yaml").Spec, object[appsv1.Deployment](t, "host-network/deployment.yaml").Spec
	two := int32(2)
	if diff := cmp.Diff([]*int32{&two, nil}, []*int32{base.Replicas, host.Replicas}); diff != "" {
		t.Errorf("replicas, and what the network of the nodes changes in them (-want +got):\n%s", diff)
	}
	want := appsv1.DeploymentStrategy{
		Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &none, MaxSurge: &one},
	}
	if diff := cmp.Diff(want, base.Strategy); diff != "" {
		t.Errorf("the strategy (-want +got):\n%s", diff)
	}
	want = appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: &one}}
	if diff := cmp.Diff(want, host.Strategy); diff != "" {
		t.Errorf("what the network of the nodes changes in the strategy (-want +got):\n%s", diff)
	}
	budget := object[policyv1.PodDisruptionBudget](t, "base/poddisruptionbudget.yaml").Spec
	if diff := cmp.Diff(&one, budget.MinAvailable); diff != "" {
		t.Errorf("minAvailable (-want +got):\n%s", diff)
	}
}

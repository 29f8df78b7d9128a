package manifests_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// Anyone who may view a cluster may read policies. Kubernetes adds the rules of a ClusterRole with such a label to ClusterRoles
// that many have, so no other one has it.
func TestClusterRoles_AggregateOnlyTheRightToRead(t *testing.T) {
	want := map[string][]rbacv1.PolicyRule{
		"view": {{APIGroups: []string{"shmkeeper.dev"}, Resources: []string{"sharedmemorypolicies"}, Verbs: []string{"get", "list", "watch"}}},
	}
	got := map[string][]rbacv1.PolicyRule{}
	for _, file := range objectFiles(t) {
		for _, document := range documents(t, file) {
			var role rbacv1.ClusterRole
			if err := yaml.Unmarshal([]byte(document), &role.TypeMeta); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if role.Kind != "ClusterRole" {
				continue
			}
			if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for label := range role.Labels {
				if into, found := strings.CutPrefix(label, "rbac.authorization.k8s.io/aggregate-to-"); found {
					got[into] = append(got[into], role.Rules...)
				}
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("aggregated (-want +got):\n%s", diff)
	}
}

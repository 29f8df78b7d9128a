package policystatus

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// ScanFieldManager owns what WriteScan writes of a policy's status: matchedPods, violatingPods,
// outdatedPods, violationsByReason and lastScanTime. FieldManager owns none of these, so the two
// never undo each other's changes.
const ScanFieldManager = "shmkeeper-audit"

// Scan is what a scan of running Pods found about one policy.
type Scan struct {
	// Matched are the Pods that the policy decides about, Violating those of them that violate it,
	// and Outdated those that it would now give another size.
	Matched, Violating, Outdated int32
	// ByReason is how many Pods violate the policy for each reason.
	ByReason map[string]int32
	// Time is when the scan began.
	Time time.Time
}

// WriteScan writes what a scan found into the status of a policy. An error is one of the API
// server; a policy that was deleted or replaced meanwhile is none.
func WriteScan(ctx context.Context, c client.Client, p *v1alpha1.SharedMemoryPolicy, s Scan) error {
	reasons := []any{}
	for _, reason := range slices.Sorted(maps.Keys(s.ByReason)) {
		reasons = append(reasons, map[string]any{"reason": reason, "pods": int64(s.ByReason[reason])})
	}
	status := map[string]any{
		"matchedPods": int64(s.Matched), "violatingPods": int64(s.Violating), "outdatedPods": int64(s.Outdated),
		"violationsByReason": reasons, "lastScanTime": s.Time.UTC().Format(time.RFC3339),
	}
	return ignoreReplaced(applyStatus(ctx, c, p, status, ScanFieldManager))
}

// applyStatus applies fields of the status of a policy, which must still be the same object.
func applyStatus(ctx context.Context, c client.Client, p *v1alpha1.SharedMemoryPolicy, status map[string]any, manager string) error {
	u := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": p.Name, "uid": string(p.UID)},
		"status":   status,
	}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))
	return c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(manager), client.ForceOwnership)
}

package policystatus

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The two writers of a status leave each other's fields alone, in either order, and neither writes to
// another policy of the same name.
func TestWriteScan_BesideTheConditions(t *testing.T) {
	p := policytest.AppPolicy("a", "a")
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(p).WithObjects(p).Build()
	r := &reconciler{client: c, now: time.Now}
	begun := time.Date(2026, 11, 26, 10, 0, 0, 5, time.UTC)
	status := func() v1alpha1.SharedMemoryPolicyStatus {
		t.Helper()
		got := &v1alpha1.SharedMemoryPolicy{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(p), got); err != nil {
			t.Fatal(err)
		}
		return got.Status
	}
	write := func(s Scan) {
		t.Helper()
		if err := WriteScan(t.Context(), c, p, s); err != nil {
			t.Fatal(err)
		}
		if err := r.write(t.Context(), p, stateOf(p), coverage{covered: true}); err != nil {
			t.Fatal(err)
		}
	}
	write(Scan{Matched: 5, Violating: 3, Outdated: 1, ByReason: map[string]int32{"TooSmall": 1, "NoMount": 2}, Time: begun})
	got := status()
	if len(got.Conditions) != 3 || got.SizeLimit == nil || got.Size != "256Mi" {
		t.Errorf("the conditions and sizes are not there: %+v", got)
	}
	want := []v1alpha1.ViolationCount{{Reason: "NoMount", Pods: 2}, {Reason: "TooSmall", Pods: 1}}
	if diff := cmp.Diff(want, got.ViolationsByReason); diff != "" || *got.MatchedPods != 5 || *got.ViolatingPods != 3 || *got.OutdatedPods != 1 {
		t.Errorf("counts: %+v\n%s", got, diff)
	}
	if got.LastScanTime == nil || !got.LastScanTime.Time.Equal(begun.Truncate(time.Second)) {
		t.Errorf("lastScanTime: %v", got.LastScanTime)
	}
	// None is 0 and not absent, and a reason that is gone goes.
	write(Scan{Time: begun})
	if got = status(); got.MatchedPods == nil || *got.MatchedPods != 0 || len(got.ViolationsByReason) != 0 || len(got.Conditions) != 3 {
		t.Errorf("without findings: %+v", got)
	}
	gone := p.DeepCopy()
	gone.Name = "gone"
	if err := WriteScan(t.Context(), c, gone, Scan{Time: begun}); err != nil {
		t.Errorf("a policy that is gone: %v", err)
	}
}

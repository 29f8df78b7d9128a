package policystatus

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// policies knows one policy, or none while its revision is 0.
type policies struct{ state cluster.PolicyState }

func (p *policies) PolicyState(*v1alpha1.SharedMemoryPolicy) (cluster.PolicyState, bool) {
	return p.state, p.state.Revision > 0
}

type matchCondition struct{ covered, contested bool }

func (m *matchCondition) Covers(int64) (bool, bool)          { return m.covered, m.contested }
func (m *matchCondition) Changes() <-chan event.GenericEvent { return nil }

// watches settle for some time.
type watches struct{ settling time.Duration }

func (w *watches) Settling() time.Duration { return w.settling }

func TestReconcile_SaysWhenPodsAreNotSent(t *testing.T) {
	p := policytest.AppPolicy("a", "a")
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(p).WithObjects(p).Build()
	now, known, sent, others := time.Now(), &policies{}, &matchCondition{}, &watches{}
	w := &reconciler{client: c, policies: known, matchCondition: sent, watches: others, now: func() time.Time { return now }}
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(p)}
	step := func(wait time.Duration, status metav1.ConditionStatus) {
		t.Helper()
		r, err := w.Reconcile(t.Context(), request)
		if err != nil || r.RequeueAfter != wait {
			t.Errorf("result %+v, %v; want a wait of %s", r, err, wait)
		}
		got := &v1alpha1.SharedMemoryPolicy{}
		if err := c.Get(t.Context(), request.NamespacedName, got); err != nil {
			t.Fatal(err)
		}
		if m := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionMatchConditionCurrent); m == nil && status != "" || m != nil && m.Status != status {
			t.Errorf("the match condition is current: %+v, want %s", m, status)
		}
	}
	step(pollInterval, "") // it is not taken yet
	known.state = stateOf(p)
	known.state.Since = now
	step(pollInterval, "")
	now = now.Add(2 * notSentTimeout)
	step(notSentTimeout, metav1.ConditionFalse)
	sent.covered = true
	// Another replica may not know of the policy yet.
	others.settling = 3 * time.Second
	step(3*time.Second, metav1.ConditionFalse)
	others.settling = 0
	step(0, metav1.ConditionTrue)
	// The next leader does not know yet what is covered, and lets that stand.
	sent.covered = false
	w = &reconciler{client: c, policies: known, matchCondition: sent, watches: others, now: w.now}
	step(pollInterval, metav1.ConditionTrue)
	now = now.Add(2 * notSentTimeout)
	step(notSentTimeout, metav1.ConditionFalse)
	sent.covered = true
	step(0, metav1.ConditionTrue)
	// Somebody else writes against ours: there is nothing to wait for.
	sent.covered, sent.contested = false, true
	known.state.Since = now
	step(notSentTimeout, metav1.ConditionFalse)
	request.Name = "gone"
	if r, err := w.Reconcile(t.Context(), request); err != nil || r.RequeueAfter != 0 {
		t.Errorf("a policy that is gone: %+v, %v", r, err)
	}
}

package webhook

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestMetrics_ForgetDeletedPolicies(t *testing.T) {
	m := NewMetrics(prometheus.NewRegistry())
	for _, name := range []string{"gone", "stays"} {
		m.decided("report", name, policy.Violating, v1alpha1.Warn)
		m.decided("enforce", name, policy.Compliant, v1alpha1.Enforce)
		m.violated("report", name, []policy.Violation{{Reason: "NoMount"}})
	}
	m.Forget([]string{"gone", "never"})
	if decisions, violations := testutil.CollectAndCount(m.decisions), testutil.CollectAndCount(m.violations); decisions != 2 || violations != 1 {
		t.Errorf("%d series of decisions and %d of violations are left", decisions, violations)
	}
	if n := testutil.ToFloat64(m.decisions.WithLabelValues("report", "stays", "Violating", "warn")); n != 1 {
		t.Errorf("the policy that stays has %v decisions", n)
	}
}

package webhook

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Metrics counts what the webhooks answer. No label grows with the number of Pods.
type Metrics struct {
	decisions  *prometheus.CounterVec
	violations *prometheus.CounterVec
	errors     *prometheus.CounterVec
}

// NewMetrics returns the metrics, registered. It panics if they are registered already, which is
// a mistake in the program.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shmkeeper_admission_decisions_total",
			Help: "Objects that a policy matches, by webhook, policy, outcome and effective mode.",
		}, []string{"webhook", "policy", "outcome", "mode"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shmkeeper_admission_violations_total",
			Help: "Violations that were rejected or reported, by webhook, policy and reason.",
		}, []string{"webhook", "policy", "reason"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shmkeeper_admission_errors_total",
			Help: "Requests that a webhook failed to evaluate, by webhook.",
		}, []string{"webhook"}),
	}
	r.MustRegister(m.decisions, m.violations, m.errors)
	for _, webhook := range []string{"mutate", "enforce", "report", "templates", "policies", "modes"} {
		m.errors.WithLabelValues(webhook)
	}
	return m
}

func (m *Metrics) decided(webhook, policyName string, outcome policy.Outcome, mode v1alpha1.Mode) {
	m.decisions.WithLabelValues(webhook, policyName, string(outcome), lower(mode)).Inc()
}

func (m *Metrics) violated(webhook, policyName string, violations []policy.Violation) {
	for i := range violations {
		m.violations.WithLabelValues(webhook, policyName, string(violations[i].Reason)).Inc()
	}
}

// Forget removes what was counted for policies that were deleted.
func (m *Metrics) Forget(policies []string) {
	for _, name := range policies {
		m.decisions.DeletePartialMatch(prometheus.Labels{"policy": name})
		m.violations.DeletePartialMatch(prometheus.Labels{"policy": name})
	}
}

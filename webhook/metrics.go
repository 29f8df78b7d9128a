package webhook

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// Metrics counts what the webhooks decide. No label grows with the number of Pods.
type Metrics struct {
	decisions  *prometheus.CounterVec
	violations *prometheus.CounterVec
	errors     *prometheus.CounterVec
}

// NewMetrics makes the metrics and registers them. It panics where they are
// registered already, as that is a mistake in the program.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shmkeeper_admission_decisions_total",
			Help: "Objects that a policy governs, by webhook, policy, outcome and effective mode.",
		}, []string{"webhook", "policy", "outcome", "mode"}),
		violations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shmkeeper_admission_violations_total",
			Help: "Violations that were refused or reported, by webhook, policy and reason.",
		}, []string{"webhook", "policy", "reason"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shmkeeper_admission_errors_total",
			Help: "Requests that a webhook could not decide over, by webhook.",
		}, []string{"webhook"}),
	}
	r.MustRegister(m.decisions, m.violations, m.errors)
	for _, webhook := range []string{"mutate", "enforce", "report", "templates", "policies"} {
		m.errors.WithLabelValues(webhook)
	}
	return m
}

func (m *Metrics) decided(webhook string, d policy.Decision, mode v1alpha1.Mode) {
	if d.Outcome != policy.NotGoverned {
		m.decisions.WithLabelValues(webhook, d.Policy, string(d.Outcome), strings.ToLower(string(mode))).Inc()
	}
}

func (m *Metrics) violated(webhook, policyName string, violations []policy.Violation) {
	for _, v := range violations {
		m.violations.WithLabelValues(webhook, policyName, string(v.Reason)).Inc()
	}
}

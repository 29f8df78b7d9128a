package cluster

import "github.com/prometheus/client_golang/prometheus"

// metrics are those of the policies. They name no policy: the status does.
type metrics struct {
	policies      *prometheus.GaugeVec
	compileErrors prometheus.Counter
	narrow        prometheus.Gauge
	revision      prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		policies: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shmkeeper_policies",
			Help: "SharedMemoryPolicies, by whether their current version is valid.",
		}, []string{"accepted"}),
		compileErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shmkeeper_policy_compile_errors_total",
			Help: "Versions of SharedMemoryPolicies that were found invalid.",
		}),
	}
	m.narrow = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "shmkeeper_match_condition_narrow",
		Help: "1 if the webhooks' match condition holds back Pods that no policy could match, " +
			"0 if every Pod has to be sent.",
	})
	m.revision = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "shmkeeper_policies_revision",
		Help: "A number for the versions of the policies that are known and in force: the same on replicas that have the same.",
	})
	m.count(0, 0)
	for _, c := range []prometheus.Collector{m.policies, m.compileErrors, m.narrow, m.revision} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) setNarrow(narrow bool) {
	m.narrow.Set(0)
	if narrow {
		m.narrow.Set(1)
	}
}

func (m *metrics) count(accepted, rejected int) {
	m.policies.WithLabelValues("true").Set(float64(accepted))
	m.policies.WithLabelValues("false").Set(float64(rejected))
}

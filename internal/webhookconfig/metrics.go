package webhookconfig

import "github.com/prometheus/client_golang/prometheus"

// The parts of a configuration that can be contested, each with a writer of its own.
const (
	partBundle   = "caBundle"
	partWebhooks = "webhooks"
)

// Metrics are those of the webhook configurations.
type Metrics struct {
	contested *prometheus.GaugeVec
	foreign   *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		contested: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shmkeeper_webhook_configuration_contested",
			Help: "1 if somebody else keeps changing what shmkeeper writes into the webhook configuration, so that it is written less and less often.",
		}, []string{"kind", "part"}),
		foreign: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shmkeeper_webhook_configuration_foreign_webhooks",
			Help: "Webhooks in the configuration that are not shmkeeper's.",
		}, []string{"kind"}),
	}
	m.reset()
	for _, c := range []prometheus.Collector{m.contested, m.foreign} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// reset sets to 0 what only a leader knows.
func (m *Metrics) reset() {
	for _, kind := range Kinds() {
		m.setContested(kind, partWebhooks, false)
		m.foreign.WithLabelValues(kind).Set(0)
	}
}

func (m *Metrics) setContested(kind, part string, contested bool) {
	if m == nil {
		return
	}
	m.contested.WithLabelValues(kind, part).Set(0)
	if contested {
		m.contested.WithLabelValues(kind, part).Set(1)
	}
}

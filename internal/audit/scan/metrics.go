package scan

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are those of the last scan. Replicas that do not lead have none but the failures. It is a
// prometheus.Collector.
type Metrics struct {
	failures prometheus.Counter
	last     atomic.Pointer[measured]
}

// measured is what a scan has found.
type measured struct {
	*tally
	begun time.Time
	took  time.Duration
}

var (
	podsDesc = prometheus.NewDesc("shmkeeper_audit_pods",
		"Running Pods of the namespaces that have the label of a mode, by what the last scan found: matched by a policy and, of these, violating, outdated or rejected.",
		[]string{"namespace", "state"}, nil)
	writersDesc = prometheus.NewDesc("shmkeeper_audit_unmatched_writers",
		"Running Pods that no policy matches and that look like writers to /dev/shm, by namespace.", []string{"namespace"}, nil)
	violationsDesc = prometheus.NewDesc("shmkeeper_audit_violations",
		"Running Pods that violate a policy, by policy and reason.", []string{"policy", "reason"}, nil)
	timeDesc = prometheus.NewDesc("shmkeeper_audit_last_scan_timestamp_seconds",
		"When the last complete scan began, in seconds since 1970.", nil, nil)
	durationDesc = prometheus.NewDesc("shmkeeper_audit_scan_duration_seconds", "How long the last complete scan took.", nil, nil)
	scannedDesc  = prometheus.NewDesc("shmkeeper_audit_scanned_pods", "Running Pods that the last complete scan looked at.", nil, nil)
)

// NewMetrics returns the metrics, registered. An error says that they are registered already.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{failures: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "shmkeeper_audit_failures_total", Help: "Scans of running Pods that were not complete.",
	})}
	return m, r.Register(m)
}

// set takes what a scan has found.
func (m *Metrics) set(t *tally, begun time.Time, took time.Duration) {
	m.last.Store(&measured{t, begun, took})
}

// reset forgets the last scan, which another replica may repeat.
func (m *Metrics) reset() { m.last.Store(nil) }

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	m.failures.Describe(descs)
	for _, d := range []*prometheus.Desc{podsDesc, writersDesc, violationsDesc, timeDesc, durationDesc, scannedDesc} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.failures.Collect(metrics)
	last := m.last.Load()
	if last == nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(timeDesc, float64(last.begun.Unix()))
	gauge(durationDesc, last.took.Seconds())
	gauge(scannedDesc, float64(last.pods))
	for name, c := range last.byNamespace {
		gauge(podsDesc, float64(c.matched), name, "matched")
		gauge(podsDesc, float64(c.violating), name, "violating")
		gauge(podsDesc, float64(c.outdated), name, "outdated")
		gauge(podsDesc, float64(c.rejected), name, "rejected")
		gauge(writersDesc, float64(c.unmatchedWriters), name)
	}
	for name, c := range last.byPolicy {
		for reason, pods := range c.byReason {
			gauge(violationsDesc, float64(pods), name, string(reason))
		}
	}
}

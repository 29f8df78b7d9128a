package certs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	servingExpiry = prometheus.NewDesc("shmkeeper_serving_certificate_expiry_timestamp_seconds",
		"When the certificate that this replica serves expires, in seconds since 1970; 0 while there is none.", nil, nil)
	caExpiry = prometheus.NewDesc("shmkeeper_ca_expiry_timestamp_seconds",
		"When the CA that signed the serving certificate expires, in seconds since 1970; absent if it is not known.", nil, nil)
)

// RegisterMetrics registers the expiry of what source serves, read at each scrape.
func RegisterMetrics(registerer prometheus.Registerer, source Source) error {
	return registerer.Register(expiry{source})
}

type expiry struct{ source Source }

// Describe implements prometheus.Collector.
func (expiry) Describe(descs chan<- *prometheus.Desc) {
	descs <- servingExpiry
	descs <- caExpiry
}

// Collect implements prometheus.Collector.
func (e expiry) Collect(metrics chan<- prometheus.Metric) {
	metrics <- gauge(servingExpiry, e.source.NotAfter())
	if ca := e.source.CANotAfter(); !ca.IsZero() {
		metrics <- gauge(caExpiry, ca)
	}
}

func gauge(desc *prometheus.Desc, at time.Time) prometheus.Metric {
	seconds := 0.0
	if !at.IsZero() {
		seconds = float64(at.Unix())
	}
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, seconds)
}

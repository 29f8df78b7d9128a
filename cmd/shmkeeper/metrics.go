package main

import (
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shmkeeper/shmkeeper/internal/version"
)

// serverMetrics are those of the server as a whole.
type serverMetrics struct{ duration *prometheus.HistogramVec }

// newServerMetrics registers the metrics.
func newServerMetrics(r prometheus.Registerer) (serverMetrics, error) {
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "shmkeeper_build_info",
		Help: "1, for the version of this replica.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version.Text(), runtime.Version()).Set(1)
	m := serverMetrics{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "shmkeeper_admission_duration_seconds",
		Help: "How long answers to admission requests took, by path.",
		// The shortest answer takes a few tenths of a millisecond, and after 2 s an API server waits no longer
		// for a webhook that fails open.
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2},
	}, []string{"path"})}
	return m, errors.Join(r.Register(build), r.Register(m.duration))
}

// timed has the answers of a handler counted by how long they took.
func (m serverMetrics) timed(path string, next http.Handler) http.Handler {
	took := m.duration.WithLabelValues(path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		next.ServeHTTP(w, r)
		took.Observe(time.Since(start).Seconds())
	})
}

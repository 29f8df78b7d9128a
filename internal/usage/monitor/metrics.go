package monitor

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shmkeeper/shmkeeper/internal/usage"
)

// Metrics are those of the volumes. It is a prometheus.Collector that has what was measured last:
// a volume that is gone has no series any more.
type Metrics struct {
	mu   sync.Mutex
	last *snapshot // nil if this replica measures nothing
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{}
	return m, r.Register(m)
}

// snapshot is what one round has measured.
type snapshot struct {
	at      time.Time
	volumes []measured
	nodes   map[string]int // by state
	counts  map[string]int // of volumes, by state
}

type measured struct {
	labels   [4]string
	sample   usage.Sample
	forecast usage.Forecast
	oom      usage.OOM
	hasOOM   bool
}

var (
	descUsed = prometheus.NewDesc("shmkeeper_volume_used_bytes",
		"How many bytes of pages of a Memory emptyDir at a policy's mount path are in use.", []string{"namespace", "pod", "volume", "policy"}, nil)
	descCapacity = prometheus.NewDesc("shmkeeper_volume_capacity_bytes",
		"How large the volume is mounted.", []string{"namespace", "pod", "volume", "policy"}, nil)
	descInodesUsed = prometheus.NewDesc("shmkeeper_volume_inodes_used",
		"How many files and folders are in the volume, with its root.", []string{"namespace", "pod", "volume", "policy"}, nil)
	descInodes = prometheus.NewDesc("shmkeeper_volume_inodes",
		"How many there can be.", []string{"namespace", "pod", "volume", "policy"}, nil)
	descFillRate = prometheus.NewDesc("shmkeeper_volume_fill_rate_bytes_per_second",
		"By how much the use of the volume grows, or falls if it is negative.", []string{"namespace", "pod", "volume", "policy"}, nil)
	descUntilFull = prometheus.NewDesc("shmkeeper_volume_until_full_seconds",
		"In how many seconds the volume is full: 0 if it is, +Inf if it does not fill.", []string{"namespace", "pod", "volume", "policy"}, nil)
	descOOMDistance = prometheus.NewDesc("shmkeeper_volume_oom_distance_bytes",
		"How many bytes the writer that is closest to its memory limit, or the Pod, can still be charged for.", []string{"namespace", "pod", "volume", "policy"}, nil)
	descOOMFirst = prometheus.NewDesc("shmkeeper_volume_oom_before_full",
		"1 if the memory limit is reached before the volume is full.", []string{"namespace", "pod", "volume", "policy"}, nil)
	descNodes = prometheus.NewDesc("shmkeeper_usage_sources",
		"Kubelets that were asked in the last round, or 1 for Prometheus, by whether they answered.", []string{"state"}, nil)
	descVolumes = prometheus.NewDesc("shmkeeper_usage_volumes",
		"Memory emptyDirs at mount paths of policies, by whether they are measured.", []string{"state"}, nil)
	descLast = prometheus.NewDesc("shmkeeper_usage_last_round_timestamp_seconds",
		"When volumes were last measured, in seconds since 1970.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{
		descUsed, descCapacity, descInodesUsed, descInodes, descFillRate, descUntilFull, descOOMDistance, descOOMFirst, descNodes, descVolumes, descLast,
	} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	s := m.last
	m.mu.Unlock()
	if s == nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for i := range s.volumes {
		v := &s.volumes[i]
		labels := v.labels[:]
		gauge(descUsed, float64(v.sample.Used), labels...)
		gauge(descCapacity, float64(v.sample.Capacity), labels...)
		gauge(descInodesUsed, float64(v.sample.InodesUsed), labels...)
		if v.sample.Inodes > 0 {
			gauge(descInodes, float64(v.sample.Inodes), labels...)
		}
		gauge(descFillRate, v.forecast.FillRate, labels...)
		gauge(descUntilFull, v.forecast.SecondsUntilFull, labels...)
		if v.hasOOM {
			gauge(descOOMDistance, float64(v.oom.Distance), labels...)
			first := 0.0
			if v.oom.BeforeFull {
				first = 1
			}
			gauge(descOOMFirst, first, labels...)
		}
	}
	for state, n := range s.nodes {
		gauge(descNodes, float64(n), state)
	}
	for state, n := range s.counts {
		gauge(descVolumes, float64(n), state)
	}
	gauge(descLast, float64(s.at.UnixMilli())/1000)
}

func (m *Metrics) publish(s *snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = s
}

func (m *Metrics) clear() { m.publish(nil) }

// snapshot returns what a round has measured. A volume of which nothing was heard in it keeps what
// was last known, unless its node has answered without it.
func (m *Monitor) snapshot(r *round, now time.Time) *snapshot {
	s := &snapshot{
		at:    now,
		nodes: map[string]int{"answered": len(r.answered), "failed": len(r.failed)},
	}
	if m.o.Prometheus != nil && len(r.failed) == 0 {
		s.nodes["answered"] = 1
	}
	seen := make(map[[4]string]bool, len(m.volumes))
	silent := 0
	for _, v := range m.volumes {
		t := m.tracked[v.VolumeKey]
		labels := [4]string{v.Namespace, v.Pod, v.Mount.Name, v.Policy.Name()}
		if t.series.Len() == 0 || t.silent || now.Sub(t.series.Last().Time) > staleAfter(m.o.Interval) {
			silent++
			continue
		}
		if seen[labels] {
			continue
		}
		seen[labels] = true
		x := measured{labels: labels, sample: t.series.Last(), forecast: t.series.Forecast(v.Outlook())}
		if t.memory != nil {
			x.oom, x.hasOOM = v.OOM(t.memory, x.sample.Capacity-x.sample.Used)
		}
		s.volumes = append(s.volumes, x)
	}
	s.counts = map[string]int{"measured": len(s.volumes), "silent": silent, "over_limit": m.dropped}
	return s
}

// staleAfter returns how old figures may be: as old as a kubelet's get, and three rounds.
func staleAfter(interval time.Duration) time.Duration { return 5*time.Minute + 3*interval }

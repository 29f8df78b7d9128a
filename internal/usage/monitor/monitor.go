// Package monitor measures how full the Memory emptyDirs at the mount paths of the policies are: it
// looks for the Pods that have some, asks the kubelets or Prometheus, publishes metrics, and writes
// what it learned into the status of the policies. It is for the replica that leads.
//
// FAILS OPEN: what cannot be measured has no series, and nothing that is admitted depends on it.
//
// # Permissions
//
//	""              pods                          list
//	""              nodes                         list
//	""              nodes/stats                   get (asked by the kubelets)
//	shmkeeper.dev   sharedmemorypolicies          list
//	shmkeeper.dev   sharedmemorypolicies/status   patch
package monitor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/internal/usage/kubelet"
	"github.com/shmkeeper/shmkeeper/policy"
)

// View says what is in force. A cluster.View is one.
type View interface {
	Policies() policy.Set
	NamespaceLabels(name string) (labels map[string]string, ok bool)
	Synced() bool
}

// Options say what is measured, and how.
type Options struct {
	// Reader lists Pods, nodes and policies. It must not be a cache: no Pod is kept.
	Reader client.Reader
	// Status writes the status of policies.
	Status client.StatusClient
	// View says which policies are in force.
	View View
	// Kubelets are asked unless Prometheus is there.
	Kubelets   Kubelets
	Prometheus Prometheus
	// Interval is from one round to the next; Pods are listed each tenth, at least a minute and at
	// most five minutes after the last time.
	Interval time.Duration
	// MaxVolumes is how many volumes are measured; 0 counts as 2,000. Those of the namespaces that
	// sort first stay.
	MaxVolumes int
	Metrics    *Metrics
	Log        logr.Logger
}

// Monitor measures. It is a manager.Runnable.
type Monitor struct {
	o   Options
	now func() time.Time

	listed  time.Time // when Pods were
	volumes []*usage.Volume
	nodes   map[string]located
	tracked map[usage.VolumeKey]*tracked
	// dropped counts the volumes beyond MaxVolumes.
	dropped int
	failed  map[string]bool // of the last round
	failing failing
	learned time.Time // when the status was written
}

// tracked is what is known of one volume.
type tracked struct {
	volume *usage.Volume
	series *usage.Series
	memory *usage.PodMemory
	// silent reports whether the node has answered without it.
	silent bool
}

const (
	// pageOfList is how many whole Pods are in memory at a time.
	pageOfList      = 100
	defaultMost     = 2000
	shortestListing = time.Minute
	longestListing  = 5 * time.Minute
	// longestLearning is how often at least what was learned is compared with the status: every fifth
	// round.
	longestLearning = 5 * time.Minute
)

// New returns a Monitor. Nothing happens before it is started.
func New(o Options) *Monitor {
	if o.MaxVolumes <= 0 {
		o.MaxVolumes = defaultMost
	}
	return &Monitor{o: o, now: time.Now, tracked: map[usage.VolumeKey]*tracked{}, failed: map[string]bool{}, failing: failing{}}
}

// NeedLeaderElection reports whether only the leader runs it: one replica asks the kubelets.
func (m *Monitor) NeedLeaderElection() bool { return true }

// Start measures until ctx is done, and then takes the metrics away: another replica has them.
func (m *Monitor) Start(ctx context.Context) error {
	defer m.o.Metrics.clear()
	tick := time.NewTicker(m.o.Interval)
	defer tick.Stop()
	for {
		if m.o.View.Synced() {
			m.measure(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// measure makes one round.
func (m *Monitor) measure(ctx context.Context) {
	now := m.now()
	if m.listed.IsZero() || now.Sub(m.listed) >= min(max(m.o.Interval*10, shortestListing), longestListing) {
		if err := m.list(ctx); err != nil {
			if ctx.Err() == nil {
				m.o.Log.Error(err, "Pods and nodes cannot be listed; the volumes that are known are measured on")
			}
		} else {
			m.listed = now
		}
	}
	var r round
	if m.o.Prometheus != nil {
		r = fromPrometheus(ctx, m.o.Prometheus, m.volumes, now)
	} else {
		r = fromKubelets(ctx, m.o.Kubelets, m.volumes, m.nodes, m.failing)
	}
	if ctx.Err() != nil {
		return
	}
	m.take(&r)
	m.tell(&r)
	m.o.Metrics.publish(m.snapshot(&r, now))
	if now.Sub(m.learned) >= min(5*m.o.Interval, longestLearning) {
		if err := m.writeStatus(ctx, now); err != nil {
			if ctx.Err() == nil {
				m.o.Log.Error(err, "what was learned cannot be written into the status of policies; trying again at the next round")
			}
			return
		}
		m.learned = now
	}
}

// list looks for the volumes, page by page.
func (m *Monitor) list(ctx context.Context) error {
	policies := m.o.View.Policies()
	var found []usage.Volume
	err := pages(ctx, m.o.Reader, &corev1.PodList{}, func(l *corev1.PodList) {
		for i := range l.Items {
			p := &l.Items[i]
			labels, _ := m.o.View.NamespaceLabels(p.Namespace)
			found = append(found, usage.VolumesOf(policies, p, labels)...)
		}
	})
	if err != nil {
		return fmt.Errorf("listing Pods: %w", err)
	}
	if m.o.Prometheus == nil {
		nodes := map[string]located{}
		err := pages(ctx, m.o.Reader, &corev1.NodeList{}, func(l *corev1.NodeList) {
			for i := range l.Items {
				n, err := kubelet.NodeOf(&l.Items[i])
				nodes[l.Items[i].Name] = located{n, err}
			}
		})
		if err != nil {
			return fmt.Errorf("listing nodes: %w", err)
		}
		m.nodes = nodes
	}
	m.replace(found)
	return nil
}

// pages lists objects page by page.
func pages[L client.ObjectList](ctx context.Context, r client.Reader, list L, each func(L)) error {
	next := ""
	for {
		if err := r.List(ctx, list, client.Limit(pageOfList), client.Continue(next)); err != nil {
			return err
		}
		each(list)
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// replace takes the volumes that there are now, and forgets the others.
func (m *Monitor) replace(found []usage.Volume) {
	slices.SortFunc(found, func(a, b usage.Volume) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Mount.Name, b.Mount.Name), cmp.Compare(a.PodUID, b.PodUID))
	})
	m.dropped = max(0, len(found)-m.o.MaxVolumes)
	found = found[:len(found)-m.dropped]
	tracking := make(map[usage.VolumeKey]*tracked, len(found))
	m.volumes = m.volumes[:0]
	for i := range found {
		v := &found[i]
		t := m.tracked[v.VolumeKey]
		if t == nil {
			t = &tracked{series: usage.NewSeries(v.Started.Time, usage.DefaultPoints)}
		}
		t.volume = v
		tracking[v.VolumeKey] = t
		m.volumes = append(m.volumes, v)
	}
	m.tracked = tracking
}

// take adds a round to the series.
func (m *Monitor) take(r *round) {
	for key, t := range m.tracked {
		sample, found := r.readings[key]
		if found {
			t.series.Add(sample)
		}
		if memory := r.memory[key.PodUID]; memory != nil {
			t.memory = memory
		}
		t.silent = !found && r.answered[t.volume.Node]
	}
}

// tell logs what begins and ends to fail.
func (m *Monitor) tell(r *round) {
	for name, err := range r.failed {
		if !m.failed[name] {
			m.o.Log.Info("volumes cannot be measured", "of", name, "because", err.Error())
		}
	}
	for name := range m.failed {
		if _, still := r.failed[name]; !still {
			m.o.Log.Info("volumes are measured again, or there are none", "of", name)
		}
	}
	m.failed = make(map[string]bool, len(r.failed))
	for name := range r.failed {
		m.failed[name] = true
	}
}

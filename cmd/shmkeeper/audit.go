package main

import (
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/shmkeeper/shmkeeper/internal/audit/scan"
	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/policy"
)

// runningPods is the audit of what runs: what the leader does, and what each replica knows of it.
type runningPods struct {
	options scan.Options
	last    *scan.LastScan
}

// newAudit returns the audit of running Pods. With an interval of 0 it does nothing, and knows
// nothing.
func newAudit(config *rest.Config, c cache.Cache, view *cluster.View, mirrors policy.Mirrors, events scan.Events, o Options) (runningPods, error) {
	if o.AuditInterval == 0 {
		return runningPods{last: &scan.LastScan{}}, nil
	}
	library, err := scan.ShippedLibrary(mirrors)
	if err != nil {
		return runningPods{}, err
	}
	gauges, err := scan.NewMetrics(metrics.Registry)
	if err != nil {
		return runningPods{}, err
	}
	last, err := scan.Watch(c)
	return runningPods{last: last, options: scan.Options{
		Config: config, View: view, Library: library, Namespace: o.Namespace,
		Interval: o.AuditInterval, Unlabelled: o.AuditOthers, Events: events, Metrics: gauges,
	}}, err
}

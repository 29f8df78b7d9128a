package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/shmkeeper/shmkeeper/internal/audit/scan"
	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/internal/policystatus"
	"github.com/shmkeeper/shmkeeper/internal/usage/monitor"
	"github.com/shmkeeper/shmkeeper/internal/webhookconfig"
)

// termRetry is how soon after a term a replica stands for election again.
const termRetry = 2 * time.Second

// newWriter makes a manager that waits to be elected and then writes, for one term: a
// manager that loses an election ends. ctx is done when the manager has ended.
type newWriter func(ctx context.Context) (manager.Manager, error)

// writeWhenElected runs one manager after the other until ctx is done, beside the manager
// that serves admission, which knows of no election.
func writeWhenElected(ctx context.Context, start newWriter, log logr.Logger) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := writeForATerm(ctx, start, log); err != nil {
			log.Error(err, "This replica cannot stand for election; trying again", "in", termRetry.String())
		}
	}, termRetry)
}

// writeForATerm returns when the manager has ended. An error says why it could not be made,
// or ended without having led.
func writeForATerm(ctx context.Context, start newWriter, log logr.Logger) error {
	term, cancel := context.WithCancel(ctx)
	defer cancel()
	mgr, err := start(term)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(term) }()
	select {
	case err := <-ended:
		return err
	case <-mgr.Elected():
	}
	log.Info("This replica leads")
	why := "it stops"
	if err := <-ended; err != nil {
		why = err.Error()
	}
	log.Info("This replica no longer leads", "because", why)
	return nil
}

// writers returns how to make a manager that writes the status of the policies and the
// webhook configurations, audits what runs, and measures volumes if that is asked for.
func writers(
	restConfig *rest.Config, o Options, view *cluster.View, watches *cluster.Watches, audit scan.Options, volumes *monitor.Metrics, written webhookconfig.Options,
) newWriter {
	return func(ctx context.Context) (manager.Manager, error) {
		scheme, err := newScheme()
		if err != nil {
			return nil, err
		}
		anyName := true // the controllers of an earlier term had the same names
		mgr, err := manager.New(restConfig, manager.Options{
			Scheme:                        scheme,
			Logger:                        ctrl.Log.WithName("leader").WithSink(quiet{ctrl.Log.GetSink()}),
			MapperProvider:                newMapper,
			Cache:                         cluster.CacheOptions(configurationName),
			Client:                        client.Options{Cache: &client.CacheOptions{Unstructured: true}},
			Controller:                    config.Controller{SkipNameValidation: &anyName},
			Metrics:                       metricsserver.Options{BindAddress: "0"}, // the other manager serves them
			LeaderElection:                o.LeaderElect,
			LeaderElectionID:              leaseName,
			LeaderElectionNamespace:       o.Namespace,
			LeaderElectionReleaseOnCancel: true,
		})
		if err != nil {
			return nil, fmt.Errorf("make what writes: %w", err)
		}
		logged := loggingManager{mgr, ctrl.Log}
		condition, err := webhookconfig.Setup(ctx, logged, written)
		if err != nil {
			return nil, err
		}
		if err := addUsage(mgr, restConfig, &o.Usage, view, volumes); err != nil {
			return nil, err
		}
		if err := policystatus.Setup(logged, view, condition, watches); err != nil || o.AuditInterval == 0 {
			return mgr, err
		}
		return mgr, scan.Setup(logged, audit)
	}
}

// loggingManager has controllers log otherwise than the manager itself.
type loggingManager struct {
	manager.Manager
	log logr.Logger
}

// GetLogger implements manager.Manager.
func (m loggingManager) GetLogger() logr.Logger { return m.log }

// quiet logs errors for debugging only. The end of a term, a Lease that cannot be renewed
// and even a clean stop are errors to a manager; none is to a server that goes on.
type quiet struct{ logr.LogSink }

// Error implements logr.LogSink.
func (q quiet) Error(err error, message string, keysAndValues ...any) {
	if q.Enabled(1) {
		q.Info(1, message, append(keysAndValues, "failure", fmt.Sprint(err))...)
	}
}

// WithValues implements logr.LogSink.
func (q quiet) WithValues(keysAndValues ...any) logr.LogSink {
	return quiet{q.LogSink.WithValues(keysAndValues...)}
}

// WithName implements logr.LogSink.
func (q quiet) WithName(name string) logr.LogSink { return quiet{q.LogSink.WithName(name)} }

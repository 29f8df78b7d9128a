package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/shmkeeper/shmkeeper/certs"
	"github.com/shmkeeper/shmkeeper/internal/audit/scan"
	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/internal/usage/monitor"
	"github.com/shmkeeper/shmkeeper/internal/version"
	"github.com/shmkeeper/shmkeeper/internal/webhookconfig"
	"github.com/shmkeeper/shmkeeper/internal/workloadevents"
	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
	"github.com/shmkeeper/shmkeeper/webhook"
)

// The names of what the manifests install.
const (
	deploymentName    = "shmkeeper"
	configurationName = "shmkeeper"
	webhookService    = "shmkeeper-webhook"
	leaseName         = "shmkeeper"
)

// answerTimeout is how long a request may take to arrive, and how long the server may take to end
// once it accepts no more. See lastWrite for how long those that have begun are answered.
const answerTimeout = 10 * time.Second

// Run runs the server until ctx is done, and then until it has drained.
func Run(ctx context.Context, o Options) error {
	log, err := newLogger(o.LogFormat, o.LogLevel)
	if err != nil {
		return err
	}
	ctrl.SetLogger(log)
	config, err := restConfig(o.Kubeconfig)
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	stopping, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	ending, permissions := &drain{stopping: stopping}, &permissionCheck{client: kube, options: o, log: log}
	mgr, start, err := newManagers(config, kube, o, ending, permissions)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		ending.begun.Store(true)
		log.Info("Draining: requests are answered until the Service has dropped this replica", "for", o.ShutdownDelay.String())
		time.Sleep(o.ShutdownDelay)
		stop(nil)
	}()
	go func() {
		if err := permissions.wait(stopping); err != nil {
			stop(err)
		}
	}()
	log.Info("Starting", "version", version.Text(), "maxMode", o.MaxMode, "certSource", o.CertSource)
	var writing sync.WaitGroup
	defer writing.Wait() // for the Lease to be given up
	writing.Go(func() {
		select {
		case <-mgr.Elected(): // by nobody: it has begun to work
			writeWhenElected(stopping, start, log.WithName("leader"))
		case <-stopping.Done():
		}
	})
	defer stop(nil) // when the manager ends on its own
	err = mgr.Start(stopping)
	if cause := context.Cause(stopping); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w: run in a cluster, or name a file by --kubeconfig", err)
	}
	config.UserAgent = "shmkeeper/" + version.Text()
	// The API server has its own means against clients that ask too much; client-go's would make the start slow.
	config.QPS, config.Burst = 100, 200
	return config, nil
}

// newManagers puts the parts together: the manager that serves admission, and how to make
// those that write, one for each term as the leader.
func newManagers(config *rest.Config, kube kubernetes.Interface, o Options, ending *drain, permissions *permissionCheck) (manager.Manager, newWriter, error) {
	mode, err := policy.ParseMode(o.MaxMode)
	if err != nil {
		return nil, nil, err
	}
	mirrors, err := policy.ParseMirrors(o.ImageMirrors)
	if err != nil {
		return nil, nil, fmt.Errorf("--image-mirrors: %w", err)
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, nil, err
	}
	source, err := newSource(ending.stopping, config, kube, scheme, o)
	if err != nil {
		return nil, nil, err
	}
	watches := cluster.NewWatches(scheme, ctrl.Log.WithName("watches"))
	mgr, err := newServer(config, scheme, watches, source, o)
	if err != nil {
		return nil, nil, err
	}
	gauges, err := webhookconfig.NewMetrics(metrics.Registry)
	if err != nil {
		return nil, nil, err
	}
	bundle, err := addSource(mgr, source, gauges, o)
	if err != nil {
		return nil, nil, err
	}
	view, err := cluster.New(mgr, mirrors, metrics.Registry)
	if err != nil {
		return nil, nil, err
	}
	lastSeen, err := webhookconfig.Watch(mgr.GetCache())
	if err != nil {
		return nil, nil, err
	}
	// GetWebhookServer also registers the server with the manager, which starts it.
	server := mgr.GetWebhookServer()
	counts := webhook.NewMetrics(metrics.Registry)
	view.OnPoliciesDeleted(counts.Forget)
	times, err := newServerMetrics(metrics.Registry)
	if err != nil {
		return nil, nil, err
	}
	events, err := addEvents(mgr, config)
	if err != nil {
		return nil, nil, err
	}
	running, err := newAudit(config, mgr.GetCache(), view, mirrors, events, o)
	if err != nil {
		return nil, nil, err
	}
	for path, handler := range webhook.Handlers(webhook.Options{Cluster: view, MaxMode: mode, Metrics: counts, Running: running.last, Events: events}) {
		server.Register(path, times.timed(path, ending.handler(handler)))
	}
	volumes, err := monitor.NewMetrics(metrics.Registry)
	if err != nil {
		return nil, nil, err
	}
	return mgr, writers(config, o, view, watches, running.options, volumes, webhookconfig.Options{
		Mutating: webhooks.Mutating(), Validating: webhooks.Validating(),
		Namespace: o.Namespace, Deployment: deploymentName,
		Policies: view, LastSeen: lastSeen, Metrics: gauges, CABundle: bundle, Stopping: ending.stopping,
		RestoreDisabled: !o.Restore, IgnoreFailurePolicy: mode != v1alpha1.Enforce,
		Settings: webhookconfig.Settings{FailOpen: o.FailOpen, ExcludedNamespaces: o.Excluded},
	}), addChecks(mgr, source, server, checks{permissions, ending, view, watches})
}

// addEvents has the manager write events about workloads.
func addEvents(mgr manager.Manager, config *rest.Config) (*workloadevents.Recorder, error) {
	events, err := workloadevents.New(config, ctrl.Log.WithName("events"), metrics.Registry)
	if err != nil {
		return nil, err
	}
	return events, mgr.Add(events)
}

// newServer makes the manager that serves admission, the metrics and the probes.
func newServer(
	config *rest.Config, scheme *runtime.Scheme, watches *cluster.Watches, source certs.Source, o Options,
) (manager.Manager, error) {
	cacheOptions := cluster.CacheOptions(configurationName)
	cacheOptions.NewInformer = watches.NewInformer
	if o.AuditInterval > 0 {
		cacheOptions.ByObject[&corev1.ConfigMap{}] = scan.CacheOptions(o.Namespace)
	}
	certificate, timeout := certs.TLSConfig(source), answerTimeout
	mgr, err := manager.New(config, manager.Options{
		Scheme:                  scheme,
		Logger:                  ctrl.Log,
		MapperProvider:          newMapper,
		Cache:                   cacheOptions,
		Client:                  client.Options{Cache: &client.CacheOptions{Unstructured: true}},
		WebhookServer:           newWebhookServer(o, certificate, withClients(o.ClientCAFile, o.ClientNames)),
		HealthProbeBindAddress:  o.ProbeAddr,
		PprofBindAddress:        o.PprofAddr,
		GracefulShutdownTimeout: &timeout,
		Metrics: metricsserver.Options{
			BindAddress: o.MetricsAddr, SecureServing: true, TLSOpts: []func(*tls.Config){certificate},
			FilterProvider: authorizeScrapes,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the server: %w", err)
	}
	return mgr, errors.Join(certs.RegisterMetrics(metrics.Registry, source), metrics.Registry.Register(watches))
}

// checks are what the readiness of the server depends on, besides its certificate and its port.
type checks struct {
	permissions *permissionCheck
	ending      *drain
	view        *cluster.View
	watches     *cluster.Watches
}

// addChecks makes the server ready when it may do its work, can be verified, listens, knows the
// policies, and is not on its way out. It is alive as long as it answers.
func addChecks(mgr manager.Manager, source certs.Source, server ctrlwebhook.Server, o checks) error {
	return errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("permissions", o.permissions.check),
		mgr.AddReadyzCheck("certificate", func(*http.Request) error { return source.Ready() }),
		mgr.AddReadyzCheck("webhooks", server.StartedChecker()),
		mgr.AddReadyzCheck("policies", cachesSynced(o.view, o.watches)),
		mgr.AddReadyzCheck("draining", o.ending.check),
	)
}

// cachesSynced returns a check that passes once the view has all that there was at the start.
func cachesSynced(view *cluster.View, watches *cluster.Watches) healthz.Checker {
	return func(*http.Request) error {
		if view.Synced() {
			return nil
		}
		const unknown = "the policies, namespaces, limit ranges and resource quotas are not all known yet: "
		if failures := watches.Failures(); failures != "" {
			return errors.New(unknown + failures + ": make sure that the API server answers, that the CRD is installed (manifests/crd), " +
				"and that the server may list and watch them")
		}
		return errors.New(unknown + "wait for the API server's answer")
	}
}

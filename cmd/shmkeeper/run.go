package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/leaderelection"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/shmkeeper/shmkeeper/certs"
	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/internal/leader"
	"github.com/shmkeeper/shmkeeper/internal/version"
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

// answerTimeout is how long requests that have begun may take after the server has
// stopped to accept new ones: longer than any timeoutSeconds of the webhooks.
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
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := checkPermissions(ctx, client, o); err != nil {
		return err
	}
	var draining atomic.Bool
	mgr, election, err := newManager(config, client, o, &draining)
	if err != nil {
		return err
	}
	managerCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		<-ctx.Done()
		draining.Store(true)
		log.Info("Draining: requests are answered until the Service has dropped this replica", "for", o.ShutdownDelay.String())
		time.Sleep(o.ShutdownDelay)
		stop()
	}()
	log.Info("Starting", "version", version.Text(), "maxMode", o.MaxMode, "certSource", o.CertSource)
	resign := standForElection(context.WithoutCancel(ctx), mgr, election)
	// The lease is given up when nobody writes any more. The manager's recorder of Events has stopped by then, and
	// drops the one that a leader stopped to lead without a word: the log tells it, and the Event of the next leader.
	defer resign()
	return mgr.Start(managerCtx)
}

// standForElection stands for election once the manager has begun to work. The result
// gives up the lease and waits for that.
func standForElection(ctx context.Context, mgr manager.Manager, election *leader.Election) (resign func()) {
	if election == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-mgr.Elected(): // by nobody: it elects none
			election.Run(ctx)
		case <-ctx.Done():
		}
	}()
	return func() {
		cancel()
		<-ended
	}
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

// newManager puts the parts together. The election is nil where there is none.
func newManager(config *rest.Config, client kubernetes.Interface, o Options, draining *atomic.Bool) (manager.Manager, *leader.Election, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, nil, err
	}
	source, addTo, err := newSource(client, o)
	if err != nil {
		return nil, nil, err
	}
	tlsOptions := []func(*tls.Config){certs.TLSConfig(source)}
	timeout := answerTimeout
	mgr, err := manager.New(config, manager.Options{
		Scheme:                  scheme,
		Logger:                  ctrl.Log,
		Cache:                   cluster.CacheOptions(configurationName),
		WebhookServer:           ctrlwebhook.NewServer(ctrlwebhook.Options{Host: o.WebhookHost, Port: o.WebhookPort, TLSOpts: tlsOptions}),
		HealthProbeBindAddress:  o.ProbeAddr,
		PprofBindAddress:        o.PprofAddr,
		GracefulShutdownTimeout: &timeout,
		Metrics: metricsserver.Options{
			BindAddress: o.MetricsAddr, SecureServing: true, TLSOpts: tlsOptions,
			FilterProvider: filters.WithAuthenticationAndAuthorization,
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("make the server: %w", err)
	}
	if err := errors.Join(addTo(mgr), certs.RegisterMetrics(metrics.Registry, source)); err != nil {
		return nil, nil, err
	}
	mode, err := policy.ParseMode(o.MaxMode)
	if err != nil {
		return nil, nil, err
	}
	mirrors, err := policy.ParseMirrors(o.ImageMirrors)
	if err != nil {
		return nil, nil, fmt.Errorf("--image-mirrors: %w", err)
	}
	// Not the manager's own election: a manager that loses it ends at once, and with it the webhooks.
	var election *leader.Election
	var leads cluster.Leader
	if o.LeaderElect {
		if election, err = newElection(config, mgr, o); err != nil {
			return nil, nil, err
		}
		leads = election
	}
	view, err := cluster.Setup(mgr, cluster.Options{
		Mutating: webhooks.Mutating(), Validating: webhooks.Validating(),
		Namespace: o.Namespace, Deployment: deploymentName,
		KeepEdits:        !o.Restore,
		AnyFailurePolicy: mode != v1alpha1.Enforce,
		CABundle:         bundleOf(source),
		ImageMirrors:     mirrors,
		Leader:           leads,
	})
	if err != nil {
		return nil, nil, err
	}
	// Asking the manager for the server is what has it started.
	server := mgr.GetWebhookServer()
	for path, handler := range webhook.Handlers(webhook.Options{
		Cluster: view, MaxMode: mode, Metrics: webhook.NewMetrics(metrics.Registry),
	}) {
		server.Register(path, closeWhileDraining(draining, handler))
	}
	return mgr, election, addChecks(mgr, source, server, view, draining)
}

// newElection stands for election by the Lease of the server's namespace.
func newElection(config *rest.Config, mgr manager.Manager, o Options) (*leader.Election, error) {
	lease, err := leaderelection.NewResourceLock(config, mgr, leaderelection.Options{
		LeaderElection: true, LeaderElectionNamespace: o.Namespace, LeaderElectionID: leaseName,
		RenewDeadline: leader.DefaultTiming.Renew,
	})
	if err != nil {
		return nil, fmt.Errorf("stand for election by the Lease %q: %w", leaseName, err)
	}
	return leader.New(lease, leaseName, leader.DefaultTiming, ctrl.Log.WithName("leader"))
}

// addChecks makes the server ready when it can be verified, listens, knows the
// policies, and is not on its way out. It is alive as long as it answers.
func addChecks(mgr manager.Manager, source certs.Source, server ctrlwebhook.Server, view *cluster.View, draining *atomic.Bool) error {
	return errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("certificate", func(*http.Request) error { return source.Ready() }),
		mgr.AddReadyzCheck("webhooks", server.StartedChecker()),
		mgr.AddReadyzCheck("policies", cachesSynced(view)),
		mgr.AddReadyzCheck("draining", func(*http.Request) error {
			if draining.Load() {
				return errors.New("the server is stopping")
			}
			return nil
		}),
	)
}

// closeWhileDraining has each answer close its connection from the moment the server drains. An
// API server keeps connections and sends no request a second time, so that closing one under it
// refuses a Pod.
func closeWhileDraining(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// cachesSynced returns a check that passes once the view has all that there was at the start.
func cachesSynced(view *cluster.View) healthz.Checker {
	return func(*http.Request) error {
		if !view.Synced() {
			return errors.New("the policies, namespaces, limit ranges and resource quotas are not all known yet: see that the server may list and watch them")
		}
		return nil
	}
}

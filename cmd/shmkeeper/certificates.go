package main

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/shmkeeper/shmkeeper/certs"
	"github.com/shmkeeper/shmkeeper/internal/webhookconfig"
)

// newSource makes what the serving certificate is from. Its events are sent until ctx is done.
func newSource(ctx context.Context, config *rest.Config, kube kubernetes.Interface, scheme *runtime.Scheme, o Options) (certs.Source, error) {
	log := ctrl.Log.WithName("certs")
	if o.CertSource == directory {
		return certs.NewDirectory(certs.DirectoryOptions{Path: o.CertDir, Log: log})
	}
	mapper, err := newMapper(nil, nil)
	if err != nil {
		return nil, err
	}
	direct, err := client.New(config, client.Options{Mapper: mapper})
	if err != nil {
		return nil, err
	}
	sink := events.NewBroadcaster(&events.EventSinkImpl{Interface: kube.EventsV1()})
	if err := sink.StartRecordingToSinkWithContext(ctx); err != nil {
		return nil, err
	}
	return certs.NewSelfManaged(certs.Options{
		Client: kube, Namespace: o.Namespace, DNSNames: certs.ServiceNames(webhookService, o.Namespace), Log: log,
		Publisher:  webhookconfig.Publication{Reader: direct, Name: configurationName, Service: o.service()},
		Recorder:   sink.NewRecorder(scheme, "shmkeeper"),
		CADuration: o.CADuration, CertDuration: o.CertDuration, Settle: o.CASettle, Resync: o.CAResync,
	})
}

// addSource adds to a manager what renews the certificate and, if its CA is our own, what
// publishes that. bundle returns the CA; it is nil if somebody else publishes it.
func addSource(mgr manager.Manager, source certs.Source, gauges *webhookconfig.Metrics, o Options) (bundle func() []byte, err error) {
	if err := mgr.Add(source); err != nil {
		return nil, err
	}
	own, ok := source.(*certs.SelfManaged)
	if !ok {
		return nil, nil
	}
	w := &webhookconfig.BundleWriter{Client: mgr.GetClient(), Bundle: own, Name: configurationName, Service: o.service(), Metrics: gauges}
	return own.CABundle, w.Setup(mgr)
}

// service returns the name of the Service that the API server calls.
func (o *Options) service() client.ObjectKey {
	return client.ObjectKey{Namespace: o.Namespace, Name: webhookService}
}

package main

import (
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/shmkeeper/shmkeeper/certs"
)

// newSource is where the serving certificate is from. addTo adds what keeps it, and
// publishes its CA, to a manager.
func newSource(client kubernetes.Interface, o Options) (source certs.Source, addTo func(manager.Manager) error, err error) {
	log := ctrl.Log.WithName("certs")
	if o.CertSource == directory {
		source, err = certs.NewDirectory(certs.DirectoryOptions{Path: o.CertDir, Log: log})
		return source, func(mgr manager.Manager) error { return mgr.Add(source) }, err
	}
	configurations := certs.Configurations{Client: client, Name: configurationName}
	own, err := certs.NewSelfManaged(certs.Options{
		Client: client, Namespace: o.Namespace, DNSNames: certs.ServiceNames(webhookService, o.Namespace),
		Publisher: configurations, Log: log,
		CADuration: o.CADuration, LeafDuration: o.LeafDuration, Settle: o.CASettle, Resync: o.CAResync,
	})
	if err != nil {
		return nil, nil, err
	}
	injector, err := certs.NewInjector(configurations, own, log)
	if err != nil {
		return nil, nil, err
	}
	return own, func(mgr manager.Manager) error {
		if err := mgr.Add(own); err != nil {
			return err
		}
		return mgr.Add(injector)
	}, nil
}

// bundleOf is by what the API server verifies the server; nil where somebody else
// publishes it.
func bundleOf(source certs.Source) func() []byte {
	if own, ok := source.(*certs.SelfManaged); ok {
		return own.CABundle
	}
	return nil
}

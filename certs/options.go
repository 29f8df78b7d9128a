package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
)

// Publisher says what the API server trusts. A webhookconfig.Publication is one.
type Publisher interface {
	// Published reports whether every place that exists carries every certificate of the bundle. Places that do not exist do not count.
	Published(ctx context.Context, bundle []byte) (bool, error)
	// Trusted returns the certificates that any place carries. The CAs among them stay trusted for
	// a leaf duration where a new CA has to be made with no memory of the old one: another replica
	// may still serve a leaf of theirs.
	Trusted(ctx context.Context) ([]*x509.Certificate, error)
}

// Options configure a SelfManaged source. Client, Namespace and DNSNames are required.
type Options struct {
	Client kubernetes.Interface
	// Namespace of the Secret: the server's own.
	Namespace string
	// SecretName defaults to shmkeeper-ca.
	SecretName string
	// DNSNames of the leaf, see ServiceNames.
	DNSNames []string

	// CADuration is the life of a CA; it is changed after two thirds of it. Default 365 days.
	CADuration time.Duration
	// CertDuration is the life of a leaf; it is replaced after two thirds of it. Default 7 days. All replicas should have the same.
	CertDuration time.Duration
	// Settle is how long after its publication a bundle is taken to be known to every API server. Default 1 minute.
	Settle time.Duration
	// Resync is how often the Secret is read. Default 30 s.
	Resync time.Duration

	// Publisher confirms publication. Without one every bundle counts as published at once, and only Settle protects a change of CA.
	Publisher Publisher
	// Recorder receives an event on the Secret for each step of a change of CA and each repair. Optional.
	Recorder events.EventRecorder
	// Clock defaults to the system's.
	Clock clock.Clock
	Log   logr.Logger
}

func (o Options) withDefaults() Options {
	if o.SecretName == "" {
		o.SecretName = "shmkeeper-ca"
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.CADuration, 365 * 24 * time.Hour},
		{&o.CertDuration, 7 * 24 * time.Hour},
		{&o.Settle, time.Minute},
		{&o.Resync, 30 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Client == nil:
		return errors.New("the self-managed certificates have no client: give Options.Client")
	case o.Namespace == "":
		return errors.New("the self-managed certificates have no namespace for their Secret: give Options.Namespace")
	case len(o.DNSNames) == 0:
		return errors.New("the self-managed certificates have no name: give Options.DNSNames, for instance those of ServiceNames")
	case o.CADuration < 0 || o.CertDuration < 0 || o.Settle < 0 || o.Resync < 0:
		return errors.New("a duration of the self-managed certificates is negative: give a positive one, or 0 for the default")
	case o.Resync > o.CertDuration/6:
		return fmt.Errorf("a leaf of %s cannot be replaced in time when the Secret is read every %s: give a CertDuration of at least %s",
			o.CertDuration, o.Resync, 6*o.Resync)
	case o.CADuration/3 < o.CertDuration+o.Settle+o.Resync:
		return fmt.Errorf("a CA of %s leaves no time to change it before a leaf of %s outlives it: give a CADuration of at least %s",
			o.CADuration, o.CertDuration, 3*(o.CertDuration+o.Settle+o.Resync))
	}
	return nil
}

package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Source is where the webhook server gets its certificate. It is a manager.Runnable that every replica runs.
type Source interface {
	// GetCertificate returns the certificate to serve. It makes no call and does no I/O.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Ready says why a client could not verify this replica now; nil if it could.
	Ready() error
	// Start keeps the certificate current until ctx is done. A failure is logged and tried again, never returned.
	Start(ctx context.Context) error
	// NeedLeaderElection is always false.
	NeedLeaderElection() bool
	// NotAfter is the end of the serving certificate, zero while there is none.
	NotAfter() time.Time
	// CANotAfter is the end of the CA that signed the serving certificate, zero if it is not known.
	CANotAfter() time.Time
}

// TLSConfig makes a server serve what source provides, over TLS 1.3 and nothing older: the only client is the API server.
func TLSConfig(source Source) func(*tls.Config) {
	return func(config *tls.Config) {
		config.MinVersion = tls.VersionTLS13
		config.GetCertificate = source.GetCertificate
	}
}

// ServiceNames returns the names by which the API server and others in the cluster reach a Service. The API server uses the first.
func ServiceNames(service, namespace string) []string {
	name := service + "." + namespace
	return []string{name + ".svc", name, name + ".svc.cluster.local"}
}

var errNoCertificate = errors.New("no serving certificate is loaded yet")

// valid returns why the certificate cannot be served at now; nil if it can. The caller adds what would help.
func valid(certificate *tls.Certificate, now time.Time) error {
	switch leaf := certificate.Leaf; {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the serving certificate is valid only from %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case !now.Before(leaf.NotAfter):
		return fmt.Errorf("the serving certificate expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

// handshake connects to source as the API server does: by the Service's name, trusting a bundle and nothing else, at a time.
func handshake(source Source, bundle []byte, at time.Time, edit ...func(*tls.Config)) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	client := &tls.Config{
		RootCAs: roots, ServerName: serverName, Time: func() time.Time { return at }, MinVersion: tls.VersionTLS12,
		CurvePreferences: []tls.CurveID{tls.X25519}, // cheaper than the default, which is hybrid
	}
	for _, e := range edit {
		e(client)
	}
	server := &tls.Config{}
	TLSConfig(source)(server)
	near, far := net.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- errors.Join(tls.Server(far, server).HandshakeContext(ctx), far.Close()) }()
	err := tls.Client(near, client).HandshakeContext(ctx)
	return errors.Join(err, near.Close(), <-served)
}

// connection is what a handshake depends on beside the time.
type connection struct {
	certificate *tls.Certificate
	bundle      string
}

// connect does what an API server that trusts a bundle does now: a handshake the first time that it meets the certificate and the bundle,
// and of the next ones the part that depends on the time.
func (c *cluster) connect(r *SelfManaged, bundle []byte) error {
	certificate, err := r.GetCertificate(nil)
	if err != nil {
		return err
	}
	now := connection{certificate, string(bundle)}
	if c.connected[r] == now {
		return verify(r, bundle, c.clock.Now())
	}
	if err := handshake(r, bundle, c.clock.Now()); err != nil {
		return err
	}
	c.connected[r] = now
	return nil
}

// verify checks the certificate that a source serves as a handshake does.
func verify(source Source, bundle []byte, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	certificate, err := source.GetCertificate(nil)
	if err != nil {
		return err
	}
	_, err = certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: serverName, CurrentTime: at})
	return err
}

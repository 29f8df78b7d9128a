package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pipes is a listener without a network: its connections are pipes. In a bubble of synctest, a
// server on it has the deadlines that it ships with, and a test waits for them in no time. A pipe has
// no buffer, so that a server waits until its client reads.
type pipes struct {
	offered  chan net.Conn
	accepted atomic.Int32
	closed   chan struct{}
	once     sync.Once

	// stop stops the server on the listener, and ended gets its error.
	stop  context.CancelFunc
	ended chan error
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.offered:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// offer returns the client's end of a new connection, which the server has yet to accept.
func (p *pipes) offer(t *testing.T) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	go func() {
		select {
		case p.offered <- server:
			p.accepted.Add(1)
		case <-p.closed:
		}
	}()
	return client
}

// dial returns a connection after the handshake.
func (p *pipes) dial(t *testing.T) *tls.Conn {
	t.Helper()
	c := tls.Client(p.offer(t), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// mustEnd checks that a server that was stopped ends without an error.
func (p *pipes) mustEnd(t *testing.T) {
	t.Helper()
	if err := <-p.ended; err != nil {
		t.Errorf("the server ended with %v, want no error", err)
	}
}

// mustStopWithin stops the server and checks that it ends in time, and without an error.
func (p *pipes) mustStopWithin(t *testing.T, most time.Duration) {
	t.Helper()
	begin := time.Now()
	p.stop()
	p.mustEnd(t)
	if took := time.Since(begin); took > most {
		t.Errorf("the server ended after %s, want at most %s", took, most)
	}
}

// servePipes starts a server with the deadlines and bounds that it ships with, and ends it with the test.
func servePipes(t *testing.T, handler http.HandlerFunc) *pipes {
	t.Helper()
	serving := newAuthority(t).leaf(t, "webhooks", x509.ExtKeyUsageServerAuth)
	s := newWebhookServer(Options{}, func(c *tls.Config) { c.Certificates = []tls.Certificate{serving} })
	ctx, stop := context.WithCancel(context.Background())
	s.Register("/", (&drain{stopping: ctx}).handler(handler))
	p := &pipes{offered: make(chan net.Conn), closed: make(chan struct{}), stop: stop, ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.ended <- s.serve(ctx, p)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return p
}

// echo answers with the request's body.
func echo(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(w, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

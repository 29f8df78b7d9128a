package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/net/netutil"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
)

// webhookServer serves the mux of controller-runtime's webhook server, on a listener and with
// timeouts that bound what clients can make it hold: those of the library cannot be set.
type webhookServer struct {
	ctrlwebhook.Server // registers the handlers

	address string
	tls     *tls.Config
	// connections is how many there can be at a time. Others wait to be accepted.
	connections int
	idle        *idleConnections
	// headerTimeout and requestTimeout bound how long a client takes for a handshake or the header of a request, and for
	// the rest of it; idleTimeout bounds how long a connection is kept without a request.
	headerTimeout, requestTimeout, idleTimeout time.Duration
	listening                                  atomic.Bool
	// stopping is done when the port closes; nil before Start.
	stopping context.Context
}

// An API server has at most some hundred requests in flight, each on a connection of its own. It
// closes a connection that was idle for 90 s (k8s.io/apimachinery, pkg/util/net). Who closes first
// while the other sends loses a request, so the server waits longer.
const (
	mostConnections = 1024
	longestIdle     = 3 * time.Minute
)

func newWebhookServer(o Options, tlsOptions ...func(*tls.Config)) *webhookServer {
	s := &webhookServer{
		Server:  ctrlwebhook.NewServer(ctrlwebhook.Options{Host: o.WebhookHost, Port: o.WebhookPort}),
		address: net.JoinHostPort(o.WebhookHost, strconv.Itoa(o.WebhookPort)), connections: mostConnections, idle: newIdleConnections(mostIdle),
		headerTimeout: 5 * time.Second, requestTimeout: answerTimeout, idleTimeout: longestIdle,
		tls: &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}},
	}
	for _, option := range tlsOptions {
		option(s.tls)
	}
	return s
}

// Start implements ctrlwebhook.Server. When ctx is done, requests that have begun are answered
// within answerTimeout.
func (s *webhookServer) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for the API server: %w: set --webhook-host and --webhook-port", err)
	}
	return s.serve(ctx, listener)
}

// serve answers requests on a listener, which it closes, like Start.
func (s *webhookServer) serve(ctx context.Context, listener net.Listener) error {
	s.stopping = ctx
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	// A request that has begun goes on when the port closes, also one that waits for room.
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	server := &http.Server{
		Handler: s.untilTimeout(s.WebhookMux()), Protocols: protocols, BaseContext: func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: s.headerTimeout,
		// From the header on: a client that does not read its answer holds the memory of its request no longer.
		WriteTimeout: 2 * s.requestTimeout, IdleTimeout: s.idleTimeout, MaxHeaderBytes: 64 << 10,
		ConnState: s.idle.observe,
		ErrorLog:  log.New(serverLog{ctrl.Log.WithName("webhooks")}, "", 0),
	}
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		defer time.AfterFunc(lastWait, cancelRequests).Stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
		defer cancel()
		ended <- server.Shutdown(ctx)
	}()
	s.listening.Store(true)
	if err := server.Serve(&tlsListener{netutil.LimitListener(listener, s.connections), s}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return errors.Join(<-ended, server.Close())
}

// untilTimeout bounds how long the rest of a request takes to arrive when its header has. The ReadTimeout of
// net/http would begin when the connection does, not the request.
func (s *webhookServer) untilTimeout(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.requestTimeout)); err != nil {
			http.Error(w, "the connection has ended", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// StartedChecker implements ctrlwebhook.Server: it passes if a TLS handshake succeeds.
func (s *webhookServer) StartedChecker() healthz.Checker {
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{Timeout: time.Second},
		Config:    &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}, // the check of the certificate is another
	}
	return func(r *http.Request) error {
		if !s.listening.Load() {
			return errors.New("the webhook server does not listen yet")
		}
		connection, err := dialer.DialContext(r.Context(), "tcp", s.address)
		if err != nil {
			return fmt.Errorf("reach the webhook server: %w", err)
		}
		return connection.Close()
	}
}

// withClients makes a server take connections only from clients whose certificate a CA in a file has signed,
// and that have one of the names if there are any: as the common name or a DNS name. The file is read
// for each handshake, so that it can be replaced. An empty file name changes nothing.
func withClients(file string, names []string) func(*tls.Config) {
	return func(config *tls.Config) {
		if file == "" {
			return
		}
		config.ClientAuth = tls.RequireAnyClientCert // VerifyConnection does the rest
		config.VerifyConnection = func(state tls.ConnectionState) error {
			roots, err := readCAs(file)
			if err != nil {
				return err
			}
			leaf, intermediates := state.PeerCertificates[0], x509.NewCertPool()
			for _, c := range state.PeerCertificates[1:] {
				intermediates.AddCert(c)
			}
			if _, err := leaf.Verify(x509.VerifyOptions{
				Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			}); err != nil {
				return err
			}
			named := func(name string) bool { return slices.Contains(names, name) }
			if len(names) > 0 && !named(leaf.Subject.CommonName) && !slices.ContainsFunc(leaf.DNSNames, named) {
				return fmt.Errorf("the certificate of %q has none of the names in --client-names", leaf.Subject.CommonName)
			}
			return nil
		}
	}
}

// checkCAs returns what is wrong with a file for withClients.
func checkCAs(file string) error {
	if file == "" {
		return nil
	}
	_, err := readCAs(file)
	return err
}

// readCAs reads certificates in PEM.
func readCAs(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the CA of clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%q has no certificate in PEM: write the CA that signs the API server's client certificate", file)
	}
	return pool, nil
}

// serverLog takes the lines of net/http: that no connection can be accepted is an error, and all else is for debugging, since
// anyone who reaches the port can break a handshake.
type serverLog struct{ logr.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	if text := strings.TrimSpace(string(line)); strings.HasPrefix(text, "http: Accept error") {
		l.Error(errors.New(text), "cannot accept connections: see how many file descriptors the process may have")
	} else {
		l.V(1).Info(text)
	}
	return len(line), nil
}

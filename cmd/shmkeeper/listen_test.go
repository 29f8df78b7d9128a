package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for tests.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key = a.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true})
	return a
}

// issue makes a certificate, which the authority signs if it has one itself.
func (a *authority) issue(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func (a *authority) leaf(t *testing.T, name string, usage x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	certificate, key := a.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name + ".example"}, ExtKeyUsage: []x509.ExtKeyUsage{usage}})
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

func (a *authority) write(t *testing.T, file string) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveWebhooks starts a server that answers with the request's body, and ends it with the test.
func serveWebhooks(t *testing.T, change func(*webhookServer), options ...func(*tls.Config)) *webhookServer {
	t.Helper()
	serving := newAuthority(t).leaf(t, "webhooks", x509.ExtKeyUsageServerAuth)
	s := newWebhookServer(Options{WebhookHost: "127.0.0.1", WebhookPort: freePort(t)},
		append(options, func(c *tls.Config) { c.Certificates = []tls.Certificate{serving} })...)
	s.Register("/", http.HandlerFunc(echo))
	change(s)
	startServer(t, s)
	return s
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, ok := free.Addr().(*net.TCPAddr)
	if err := free.Close(); err != nil || !ok {
		t.Fatal(err, ok)
	}
	return address.Port
}

// runUntilEnd runs what ends without an error when its context does, until the end of the test.
func runUntilEnd(t *testing.T, start func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended: %v", err)
		}
	})
}

// startServer returns when the server accepts connections, and ends it with the test.
func startServer(t *testing.T, s *webhookServer) {
	t.Helper()
	runUntilEnd(t, s.Start)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() error { return s.StartedChecker()(request) })
}

// waitFor waits until f returns nil, for some seconds.
func waitFor(t *testing.T, f func() error) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func unchanged(*webhookServer) {}

func dial(t *testing.T, s *webhookServer, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	config.InsecureSkipVerify = true // the server's certificate is not what is tested
	connection, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: config}).DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = connection.Close() })
	c, ok := connection.(*tls.Conn)
	if !ok {
		return nil, fmt.Errorf("the connection is a %T", connection)
	}
	err = c.SetDeadline(time.Now().Add(5 * time.Second))
	return c, err
}

// exchange sends a request on a connection and returns the beginning of the answer.
func exchange(c net.Conn, request string) (string, error) {
	if _, err := io.WriteString(c, request); err != nil {
		return "", err
	}
	return beginning(c)
}

// beginning reads the beginning of an answer, up to the status.
func beginning(c net.Conn) (string, error) {
	answer := make([]byte, len("HTTP/1.1 200"))
	n, err := io.ReadFull(c, answer)
	return string(answer[:n]), err
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func TestWebhookServer_SpeaksHTTP1AndTLS13Alone(t *testing.T) {
	s := serveWebhooks(t, unchanged)
	c, err := dial(t, s, &tls.Config{NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if is := c.ConnectionState(); is.NegotiatedProtocol != "http/1.1" || is.Version != tls.VersionTLS13 {
		t.Errorf("protocol %q, TLS version %x", is.NegotiatedProtocol, is.Version)
	}
	if answer, err := exchange(c, get); err != nil || answer != "HTTP/1.1 200" {
		t.Errorf("answer %q, %v", answer, err)
	}
	if _, err := dial(t, s, &tls.Config{MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
}

// The address with the most idle connections loses the one that is idle the longest, and nobody else does.
func TestWebhookServer_ClosesIdleConnections(t *testing.T) {
	if l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.2:0"); err != nil {
		t.Skipf("this machine has one loopback address: %v", err)
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := serveWebhooks(t, func(s *webhookServer) { s.idle = newIdleConnections(4) })
	used := func(from string, idle int) *tls.Conn {
		t.Helper()
		dialer := &tls.Dialer{
			NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second},
			Config:    &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13},
		}
		connection, err := dialer.DialContext(t.Context(), "tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = connection.Close() })
		c, ok := connection.(*tls.Conn)
		if !ok {
			t.Fatalf("the connection is a %T", connection)
		}
		if err := answered(c); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() error { return s.idle.mustBe(idle) })
		return c
	}
	other, oldest, newer := used("127.0.0.1", 1), used("127.0.0.2", 2), used("127.0.0.2", 3)
	another := used("127.0.0.1", 4)
	used("127.0.0.2", 4) // the fifth
	if _, err := oldest.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection that was idle the longest, of those of the address with the most, is not closed: %v", err)
	}
	for name, c := range map[string]*tls.Conn{"older, of another address": other, "newer": newer, "of another address": another} {
		if err := answered(c); err != nil {
			t.Errorf("the connection that is %s: %v", name, err)
		}
	}
}

// answered sends a request and reads the whole answer. An error says that there is none.
func answered(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, get); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}

func TestWebhookServer_ClientCertificates(t *testing.T) {
	trusted, other := newAuthority(t), newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	trusted.write(t, file)
	s := serveWebhooks(t, unchanged, withClients(file, []string{"apiserver", "second.example"}))
	for name, c := range map[string]struct {
		certificates []tls.Certificate
		accepted     bool
	}{
		"none":                     {nil, false},
		"by the common name":       {[]tls.Certificate{trusted.leaf(t, "apiserver", x509.ExtKeyUsageClientAuth)}, true},
		"by a DNS name":            {[]tls.Certificate{trusted.leaf(t, "second", x509.ExtKeyUsageClientAuth)}, true},
		"of another name":          {[]tls.Certificate{trusted.leaf(t, "somebody", x509.ExtKeyUsageClientAuth)}, false},
		"of another CA":            {[]tls.Certificate{other.leaf(t, "apiserver", x509.ExtKeyUsageClientAuth)}, false},
		"for servers, not clients": {[]tls.Certificate{trusted.leaf(t, "apiserver", x509.ExtKeyUsageServerAuth)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if answered := answersTo(t, s, c.certificates); answered != c.accepted {
				t.Errorf("answered %t, want %t", answered, c.accepted)
			}
		})
	}
	other.write(t, file)
	if !answersTo(t, s, []tls.Certificate{other.leaf(t, "apiserver", x509.ExtKeyUsageClientAuth)}) {
		t.Error("the CA that the file has now is not trusted")
	}
}

func answersTo(t *testing.T, s *webhookServer, certificates []tls.Certificate) bool {
	t.Helper()
	c, err := dial(t, s, &tls.Config{Certificates: certificates})
	if err != nil {
		return false
	}
	answer, err := exchange(c, get)
	return err == nil && answer == "HTTP/1.1 200"
}

func TestReadCAs_SaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	if _, err := readCAs(file); err == nil || !strings.HasPrefix(err.Error(), "read the CA of clients: open ") {
		t.Errorf("a file that is missing: %v", err)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%q has no certificate in PEM: write the CA that signs the API server's client certificate", file)
	if _, err := readCAs(file); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

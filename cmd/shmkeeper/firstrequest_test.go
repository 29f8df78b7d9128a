package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// An API server opens connections that it uses later. Each of its requests has the same time.
func TestWebhookServer_WaitsForTheFirstRequest(t *testing.T) {
	s := serveWebhooks(t, func(s *webhookServer) { s.headerTimeout, s.requestTimeout = 100*time.Millisecond, 200*time.Millisecond })
	c, err := dial(t, s, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.SetReadDeadline(time.Now().Add(400 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a connection without a request: %v; want it open for longer than a header or a request may take", err)
		}
		if err := answered(c); err != nil {
			t.Fatalf("a request on a connection that was open for a while: %v", err)
		}
	}
}

// Connections on which nothing was ever asked are idle too.
func TestWebhookServer_BoundsConnectionsThatAskNothing(t *testing.T) {
	s := serveWebhooks(t, func(s *webhookServer) { s.idle = newIdleConnections(2) })
	var open []*tls.Conn
	for n := range 3 {
		c, err := dial(t, s, &tls.Config{})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		waitFor(t, func() error { return s.idle.mustBe(min(n+1, 2)) })
	}
	if _, err := open[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest of three connections is not closed: %v", err)
	}
	for _, c := range open[1:] {
		if err := answered(c); err != nil {
			t.Error(err)
		}
	}
}

// mustBe returns an error unless so many connections are idle.
func (i *idleConnections) mustBe(n int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if got := len(i.places); got != n {
		return fmt.Errorf("%d connections are idle, want %d", got, n)
	}
	return nil
}

// Who does not speak TLS, or not in time, is told so or cut off.
func TestWebhookServer_WithoutTLS(t *testing.T) {
	s := serveWebhooks(t, func(s *webhookServer) { s.headerTimeout = 200 * time.Millisecond })
	for name, c := range map[string]struct{ sent, want string }{
		"HTTP":    {get, "HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks TLS: use https.\n"},
		"nothing": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, c.sent); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if string(answer) != c.want || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("answer %q, %v; want %q, and the end", answer, err, c.want)
			}
		})
	}
}

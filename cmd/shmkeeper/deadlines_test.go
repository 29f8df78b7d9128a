package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Of more connections than 1,024, one is accepted when another ends.
func TestWebhookServer_BoundsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, echo)
		first := p.dial(t)
		for range 1024 {
			p.offer(t)
		}
		synctest.Wait()
		if got := p.accepted.Load(); got != 1024 {
			t.Fatalf("%d of 1025 connections are accepted, want 1024", got)
		}
		if err := answered(first); err != nil {
			t.Errorf("a request while a connection waits: %v; want an answer", err)
		}
		if err := first.NetConn().Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := p.accepted.Load(); got != 1025 {
			t.Errorf("%d of 1025 connections are accepted once the first has ended, want all", got)
		}
	})
}

// The server closes a connection if a client takes too long, for its first request and for others.
func TestWebhookServer_EndsSlowRequests(t *testing.T) {
	const header, body = "POST / HTTP/1.1\r\nHost:", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"
	for name, c := range map[string]struct {
		answered int // requests before
		sent     string
		want     time.Duration
	}{
		"half a header":                  {0, header, 5 * time.Second},
		"half a header, after a request": {1, header, 5 * time.Second},
		"half a body":                    {0, body, 10 * time.Second},
		"half a body, after a request":   {1, body, 10 * time.Second},
		"nothing":                        {0, "", 3 * time.Minute},
		"nothing, after a request":       {1, "", 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := servePipes(t, echo)
				conn := p.dial(t)
				for range c.answered {
					if err := answered(conn); err != nil {
						t.Fatal(err)
					}
				}
				sent := time.Now()
				if err := conn.SetDeadline(sent.Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(conn, c.sent); err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, conn) // until the server closes the connection, or the deadline
				if got := time.Since(sent).Round(time.Second); got != c.want {
					t.Errorf("the connection was open for %s, want %s", got, c.want)
				}
			})
		})
	}
}

// An API server closes a connection that was idle for 90 s. If the server did so first, an API server could
// lose the request that it is just sending.
func TestWebhookServer_KeepsIdleConnectionsLongerThanAPIServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := servePipes(t, echo).dial(t)
		for _, since := range []string{"the handshake", "a request"} {
			time.Sleep(90*time.Second + time.Second)
			if err := answered(conn); err != nil {
				t.Fatalf("a request 91 s after %s: %v; want an answer", since, err)
			}
		}
	})
}

// deafConn is a connection of a client that reads nothing until it ends.
type deafConn struct {
	net.Conn
	end <-chan struct{}
}

// Read implements net.Conn.
func (c deafConn) Read([]byte) (int, error) {
	<-c.end
	return 0, io.EOF
}

// A client that does not read what the server says in the handshake is cut off after 5 s.
func TestWebhookServer_EndsSlowHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, begin := servePipes(t, echo).offer(t), time.Now()
		deaf := tls.Client(deafConn{client, t.Context().Done()}, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		go func() { _ = deaf.Handshake() }() // fails when the test ends
		for _, c := range []struct {
			after time.Duration
			want  error
		}{
			{4 * time.Second, os.ErrDeadlineExceeded}, // the server waits for the client, and does not read
			{6 * time.Second, io.ErrClosedPipe},
		} {
			time.Sleep(time.Until(begin.Add(c.after)))
			_ = client.SetWriteDeadline(time.Now().Add(time.Millisecond)) // fails if the server has closed the connection
			if _, err := client.Write([]byte("a")); !errors.Is(err, c.want) {
				t.Errorf("a write after %s ended with %v, want %v", c.after, err, c.want)
			}
		}
	})
}

// A client that does not read its answer holds the memory of its request for 20 s.
func TestWebhookServer_EndsUnreadAnswers(t *testing.T) {
	for unread, want := range map[time.Duration]bool{19 * time.Second: true, 21 * time.Second: false} {
		t.Run(fmt.Sprint("read after ", unread), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := servePipes(t, echo).dial(t)
				if _, err := io.WriteString(conn, get); err != nil {
					t.Fatal(err)
				}
				time.Sleep(unread)
				if answer, err := beginning(conn); (err == nil) != want {
					t.Errorf("got %q, %v; want an answer: %t", answer, err, want)
				}
			})
		})
	}
}

// A header has up to 64 KiB, and net/http grants 4 KiB more.
func TestWebhookServer_BoundsHeaders(t *testing.T) {
	for length, want := range map[int]string{64 << 10: "HTTP/1.1 200", 68<<10 + 1: "HTTP/1.1 431"} {
		t.Run(fmt.Sprint(length, " bytes"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := servePipes(t, echo).dial(t)
				const before, after = "GET / HTTP/1.1\r\nHost: a\r\nLong: ", "\r\n\r\n"
				header := before + strings.Repeat("a", length-len(before+after)) + after
				go func() { _, _ = io.WriteString(conn, header) }() // the server need not read all of it
				if answer, err := beginning(conn); answer != want || err != nil {
					t.Errorf("got %q, %v; want %q", answer, err, want)
				}
			})
		})
	}
}

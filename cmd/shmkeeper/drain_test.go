package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrain_ClosesConnectionsByTellingTheClient(t *testing.T) {
	ending := &drain{stopping: t.Context()}
	server := httptest.NewServer(ending.handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr)
	})))
	t.Cleanup(server.Close)
	// ask returns the client's address, which tells connections apart, and whether the answer closes it.
	ask := func() (from string, closes bool) {
		t.Helper()
		response, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body), response.Close
	}

	first, closes := ask()
	if closes {
		t.Error("an answer closes its connection before the server drains")
	}
	ending.begun.Store(true)
	second, closes := ask()
	if second != first {
		t.Fatal("the connection was not kept, so nothing is shown")
	}
	if !closes {
		t.Error("an answer of a server that drains leaves its connection open")
	}
	if third, _ := ask(); third == first {
		t.Error("a connection is used again after an answer that closes it")
	}
}

// A client that never ends its request has to be cut off; one whose request has arrived is answered.
func TestDrain_SlowClientDelaysNoShutdown(t *testing.T) {
	stopping, stop := context.WithCancel(t.Context())
	ending := &drain{stopping: stopping}
	begun, finish := make(chan string, 2), make(chan struct{})
	server := httptest.NewServer(ending.handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- r.URL.Path
		}
		if _, err := io.ReadAll(r.Body); err != nil {
			return
		}
		begun <- r.URL.Path // all of the request has arrived
		<-finish
		if r.Context().Err() != nil {
			return // its client would have gone
		}
		_, _ = io.WriteString(w, "answered")
	})))
	t.Cleanup(server.Close)
	slow, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slow.Close() })
	if _, err := io.WriteString(slow, "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		response, err := server.Client().Post(server.URL+"/whole", "", http.NoBody)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }()
		text, _ := io.ReadAll(response.Body)
		answer <- string(text)
	}()
	for range 2 {
		<-begun
	}

	stop()
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	go func() { ended <- server.Config.Shutdown(ctx) }()
	time.AfterFunc(2*bodyTimeout, func() { close(finish) })
	if got := <-answer; got != "answered" {
		t.Errorf("the request that had arrived was not answered: %s", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("a slow client delayed the shutdown: %v", err)
	}
}

// Requests that have begun when the port closes are answered.
func TestWebhookServer_AnswersWhatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan struct{})
		p := servePipes(t, func(w http.ResponseWriter, _ *http.Request) {
			<-finish
			_, _ = io.WriteString(w, "answered")
		})
		conn := p.dial(t)
		if _, err := io.WriteString(conn, get); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // for the handler
		p.stop()
		<-p.closed
		time.Sleep(4 * time.Second)
		close(finish)
		if answer, err := beginning(conn); answer != "HTTP/1.1 200" || err != nil {
			t.Errorf("got %q, %v; want the answer to a request that began before the port closed", answer, err)
		}
		p.mustEnd(t)
	})
}

// A request that has arrived when the port closes may wait for room before it is read, and take a
// while to answer: each for longer than the rest of a request may take to arrive.
func TestWebhookServer_AnswersWhatHasArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := make(chan struct{})
		p := servePipes(t, func(w http.ResponseWriter, r *http.Request) {
			<-room
			body, err := io.ReadAll(r.Body)
			time.Sleep(2 * bodyTimeout)
			if err != nil || r.Context().Err() != nil || len(body) != 1<<20 {
				w.WriteHeader(http.StatusBadRequest)
			}
		})
		conn := p.dial(t)
		go func() {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n")
			_, _ = conn.Write(make([]byte, 1<<20))
		}()
		synctest.Wait() // for the handler
		p.stop()
		<-p.closed
		time.Sleep(2 * bodyTimeout)
		close(room)
		if answer, err := beginning(conn); answer != "HTTP/1.1 200" || err != nil {
			t.Errorf("got %q, %v; want the answer to a request that arrived before the port closed", answer, err)
		}
		p.mustEnd(t)
	})
}

// The rest of a request that is still on its way has a second, whether the handler waits for it, does
// so later, or has left it to net/http, which reads up to 256 KiB.
func TestWebhookServer_SlowSendersDelayNoShutdown(t *testing.T) {
	read := func(r *http.Request) { _, _ = io.ReadAll(r.Body) }
	later := func() { time.Sleep(3 * time.Second) }
	for name, c := range map[string]struct {
		length  int
		handler http.HandlerFunc
	}{
		"a handler that reads":   {1 << 20, func(_ http.ResponseWriter, r *http.Request) { read(r) }},
		"one that reads later":   {1 << 20, func(_ http.ResponseWriter, r *http.Request) { later(); read(r) }},
		"one that does not read": {1 << 20, func(http.ResponseWriter, *http.Request) { later() }},
		"a short body, not read": {100, func(http.ResponseWriter, *http.Request) { later() }},
		"one that has refused":   {1 << 20, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnsupportedMediaType) }},
		"a short body, refused":  {100, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnsupportedMediaType) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := servePipes(t, c.handler)
				conn := p.dial(t)
				var client sync.WaitGroup
				client.Go(func() {
					text := fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n{", c.length)
					for err := error(nil); err == nil; text = " " { // byte by byte, for as long as there is a connection
						_, err = io.WriteString(conn, text)
						time.Sleep(bodyTimeout / 2)
					}
				})
				client.Go(func() { _, _ = io.Copy(io.Discard, conn) })
				synctest.Wait() // for the handler
				p.mustStopWithin(t, 5*time.Second)
				client.Wait()
			})
		})
	}
}

// A request with a large body that is refused for its header is answered before the body has arrived.
func TestWebhookServer_RefusesBeforeALargeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnsupportedMediaType) })
		conn := p.dial(t)
		begin := time.Now()
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := beginning(conn); answer != "HTTP/1.1 415" || err != nil || time.Since(begin) > 0 {
			t.Errorf("got %q, %v after %s; want 415 at once", answer, err, time.Since(begin))
		}
		_ = conn.Close()
	})
}

// A request that still waits is canceled while it can be answered: half a second before the last write.
func TestWebhookServer_CancelsWhatStillWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.WriteHeader(http.StatusTooManyRequests)
		})
		conn := p.dial(t)
		if _, err := io.WriteString(conn, get); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // for the handler
		begin := time.Now()
		p.stop()
		if answer, err := beginning(conn); answer != "HTTP/1.1 429" || err != nil || time.Since(begin) != 4500*time.Millisecond {
			t.Errorf("got %q, %v after %s; want 429 after 4.5 s", answer, err, time.Since(begin))
		}
		p.mustEnd(t)
	})
}

// A body that ends just when the port closes leaves no deadline behind, which net/http would take for
// the end of its client.
func TestEndingBody_NoDeadlineAfterItsEnd(t *testing.T) {
	deadline := time.Now()
	b := &endingBody{setDeadline: func(d time.Time) error { deadline = d; return nil }}
	b.ReadCloser = io.NopCloser(readerFunc(func([]byte) (int, error) {
		b.end()
		return 0, io.EOF
	}))
	if _, err := b.Read(nil); !errors.Is(err, io.EOF) || !deadline.IsZero() {
		t.Errorf("error %v and deadline %s, want io.EOF and none", err, deadline)
	}
	b.leave()
	if !deadline.IsZero() {
		t.Errorf("the deadline is %s after all was read, want none", deadline)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A client that does not read delays the end of the server by 5 s and a moment: after 10 s it would
// be a failure. The handler of a short answer has returned before net/http writes it.
func TestWebhookServer_SlowReadersDelayNoShutdown(t *testing.T) {
	for name, length := range map[string]int{"a short answer": 1, "a long answer": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := servePipes(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = w.Write(make([]byte, length))
				})
				if _, err := io.WriteString(p.dial(t), get); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // for the answer
				p.mustStopWithin(t, 6*time.Second)
			})
		})
	}
}

// Nothing is written later than 5 s after the port has closed, whatever deadline is set then.
func TestEndingConn_KeepsTheLastDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(net.Conn) error
		want time.Duration
	}{
		"no other deadline":              {func(net.Conn) error { return nil }, 5 * time.Second},
		"a later one":                    {func(c net.Conn) error { return c.SetWriteDeadline(time.Now().Add(time.Minute)) }, 5 * time.Second},
		"a later one, for reads as well": {func(c net.Conn) error { return c.SetDeadline(time.Now().Add(time.Minute)) }, 5 * time.Second},
		"none":                           {func(c net.Conn) error { return c.SetWriteDeadline(time.Time{}) }, 5 * time.Second},
		"none, for reads as well":        {func(c net.Conn) error { return c.SetDeadline(time.Time{}) }, 5 * time.Second},
		"an earlier one":                 {func(c net.Conn) error { return c.SetWriteDeadline(time.Now().Add(time.Second)) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stopping, stop := context.WithCancel(t.Context())
				client, server := net.Pipe()
				defer time.AfterFunc(time.Hour, func() { _ = client.Close() }).Stop() // ends a write without a deadline
				conn := newEndingConn(stopping, server)
				stop()
				begin := time.Now()
				synctest.Wait() // for the deadline
				if err := c.set(conn); err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Write([]byte("a")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != c.want {
					t.Errorf("a write ended after %s with %v, want %s and %v", time.Since(begin), err, c.want, os.ErrDeadlineExceeded)
				}
			})
		})
	}
}

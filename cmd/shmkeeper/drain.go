package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// bodyTimeout is how long the rest of a request may take to arrive after the port has closed.
const bodyTimeout = time.Second

// drain is how requests end when the server stops.
type drain struct {
	// begun is set from SIGTERM on, while requests still arrive.
	begun atomic.Bool
	// stopping is done when the port closes.
	stopping context.Context
}

// handler has each answer close its connection once the drain has begun. An API server keeps
// connections and sends no request a second time, so that closing one under it rejects a Pod.
// When the port closes, a client that is still sending its request is cut off, so that it cannot
// delay the end of the server. An endingConn cuts off one that does not read its answer.
func (d *drain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.begun.Load() {
			w.Header().Set("Connection", "close")
		}
		body := &trackedBody{ReadCloser: r.Body}
		r.Body = body
		defer context.AfterFunc(d.stopping, func() {
			if !body.read.Load() {
				_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // fails only if there is none
			}
		})()
		next.ServeHTTP(w, r)
	})
}

// check fails from the beginning of the drain.
func (d *drain) check(*http.Request) error {
	if d.begun.Load() {
		return errors.New("the server is stopping")
	}
	return nil
}

// trackedBody is a body that says whether all of it was read.
type trackedBody struct {
	io.ReadCloser
	read atomic.Bool
}

// Read implements io.Reader.
func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.read.Store(true)
	}
	return n, err
}

// endingConn is a connection on which nothing is written later than answerTimeout/2 after the port
// has closed, so that a client that does not read cannot delay the end of the server. It is below
// TLS, whose goodbye waits 5 s for such a client, and lasts longer than a handler: net/http writes the
// end of an answer when its handler has returned.
type endingConn struct {
	net.Conn
	forget func() bool // that the port will close

	mu sync.Mutex
	// last is the last write deadline; zero until the port closes.
	last time.Time
}

// newEndingConn returns a connection that takes no write answerTimeout/2 after stopping is done.
func newEndingConn(stopping context.Context, c net.Conn) *endingConn {
	e := &endingConn{Conn: c}
	e.forget = context.AfterFunc(stopping, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.last = time.Now().Add(answerTimeout / 2)
		_ = e.Conn.SetWriteDeadline(e.last) // fails only if the connection has ended
	})
	return e
}

// SetWriteDeadline implements net.Conn.
func (e *endingConn) SetWriteDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.last.IsZero() && (t.IsZero() || t.After(e.last)) {
		t = e.last
	}
	return e.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (e *endingConn) SetDeadline(t time.Time) error {
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
}

// Close implements net.Conn.
func (e *endingConn) Close() error {
	e.forget()
	return e.Conn.Close()
}

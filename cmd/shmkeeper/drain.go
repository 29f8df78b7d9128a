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
		body := &endingBody{ReadCloser: r.Body, setDeadline: http.NewResponseController(w).SetReadDeadline}
		r.Body = body
		defer context.AfterFunc(d.stopping, body.end)()
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

// endingBody is the body of a request, of which the rest has to arrive within bodyTimeout once the port has closed. The
// time counts from then, or from when it is read first: a request that has arrived may have to wait until there is
// room for it.
type endingBody struct {
	io.ReadCloser
	setDeadline func(time.Time) error // of reads on the connection; fails only if there is none

	mu                       sync.Mutex
	ending, reading, bounded bool
}

// end is called when the port closes.
func (b *endingBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ending = true
	if b.reading {
		b.bound()
	}
}

// bound sets the deadline, once. At the end of the body net/http clears it.
func (b *endingBody) bound() {
	if !b.bounded {
		b.bounded = true
		_ = b.setDeadline(time.Now().Add(bodyTimeout))
	}
}

// Read implements io.Reader.
func (b *endingBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.reading = true
	if b.ending {
		b.bound()
	}
	b.mu.Unlock()
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
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

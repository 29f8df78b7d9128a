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

const (
	// bodyTimeout is how long the rest of a request may take to arrive after the port has closed,
	// or after its handler has returned.
	bodyTimeout = time.Second
	// lastWrite is how long after the port has closed answers are written. The server ends later,
	// within answerTimeout, since TLS may take 5 s to close a connection.
	lastWrite = answerTimeout / 2
	// lastWait is how long after the port has closed a request may wait. Its context is canceled
	// then, so that there is still time to say so.
	lastWait = lastWrite - time.Second/2
)

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
		own := r.WithContext(r.Context()) // net/http looks at the body of its own request
		own.Body = body
		defer context.AfterFunc(d.stopping, body.end)()
		defer body.leave()
		next.ServeHTTP(w, own)
	})
}

// check fails from the beginning of the drain.
func (d *drain) check(*http.Request) error {
	if d.begun.Load() {
		return errors.New("the server is stopping")
	}
	return nil
}

// endingBody is the body of a request. Once the port has closed, or the handler has returned without
// reading all of it, the rest has to arrive within bodyTimeout. After the port has closed the time
// counts from the next read, since a request that has arrived may have to wait until there is room.
type endingBody struct {
	io.ReadCloser
	setDeadline func(time.Time) error // of reads on the connection; fails only if there is none

	mu                            sync.Mutex
	ending, reading, bounded, all bool
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

// leave is called when the handler returns.
func (b *endingBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound()
}

// bound sets the deadline, once.
func (b *endingBody) bound() {
	if !b.bounded && !b.all {
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
	b.all = b.all || err != nil
	if b.bounded && errors.Is(err, io.EOF) {
		// From here on net/http reads to notice when the client goes, and would take a deadline
		// that passes for that.
		_ = b.setDeadline(time.Time{})
	}
	return n, err
}

// endingConn is a connection on which nothing is written later than lastWrite after the port has
// closed, so that a client that does not read cannot delay the end of the server. It is below TLS,
// which waits 5 s for such a client when it closes a connection. The limit holds after the handler
// has returned too, because only then does net/http write the end of an answer.
type endingConn struct {
	net.Conn
	forget func() bool // that the port will close

	mu sync.Mutex
	// last is the last write deadline; zero until the port closes.
	last time.Time
}

// newEndingConn returns a connection that takes no write lastWrite after stopping is done.
func newEndingConn(stopping context.Context, c net.Conn) *endingConn {
	e := &endingConn{Conn: c}
	e.forget = context.AfterFunc(stopping, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.last = time.Now().Add(lastWrite)
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

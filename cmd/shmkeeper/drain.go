package main

import (
	"context"
	"errors"
	"io"
	"net/http"
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
// delay the end of the server.
func (d *drain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.begun.Load() {
			w.Header().Set("Connection", "close")
		}
		body := &trackedBody{ReadCloser: r.Body}
		r.Body = body
		defer context.AfterFunc(d.stopping, func() {
			now, connection := time.Now(), http.NewResponseController(w)
			_ = connection.SetWriteDeadline(now.Add(answerTimeout / 2)) // fails only if there is none
			if !body.read.Load() {
				_ = connection.SetReadDeadline(now.Add(bodyTimeout))
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

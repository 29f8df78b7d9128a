package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
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
		begun <- r.URL.Path
		if _, err := io.ReadAll(r.Body); err != nil {
			return
		}
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

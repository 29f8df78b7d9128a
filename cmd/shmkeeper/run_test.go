package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
)

func TestAServerThatDoesNotKnowTheClusterIsNotReadyAndSaysWhy(t *testing.T) {
	const want = "the policies, namespaces, limit ranges and resource quotas are not all known yet: see that the server may list and watch them"
	if err := knowsAll(&cluster.View{})(nil); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCloseWhileDraining(t *testing.T) {
	var draining atomic.Bool
	server := httptest.NewServer(closeWhileDraining(&draining, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	draining.Store(true)
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

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
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

// shipped returns the flags that the Deployment gives the server, and how long its Pods have from SIGTERM until they are killed.
func shipped(t *testing.T) (o *Options, grace time.Duration) {
	t.Helper()
	text, err := os.ReadFile("../../manifests/base/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	unmarshal(t, text, &deployment)
	pod := deployment.Spec.Template.Spec
	var values []string
	for _, e := range pod.Containers[0].Env {
		values = append(values, "$("+e.Name+")", e.Value)
	}
	var args []string
	for _, arg := range pod.Containers[0].Args {
		args = append(args, strings.NewReplacer(values...).Replace(arg))
	}
	o, _ = parsed(t, args...)
	return o, time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
}

// A Pod is killed only when it should have ended: after the delay, the requests that have begun, and some seconds for
// a leader to end its work and give up its Lease. The page about the server says so.
func TestDrain_FitsInTheGracePeriod(t *testing.T) {
	const afterDelay = answerTimeout + 5*time.Second
	o, grace := shipped(t)
	if least := o.ShutdownDelay + afterDelay; grace < least {
		t.Errorf("terminationGracePeriodSeconds is %s, want at least %s: --shutdown-delay is %s, and the rest takes up to %s", grace, least, o.ShutdownDelay, afterDelay)
	}
	page, err := os.ReadFile("../../docs/reference/server.md")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("The manifests give a Pod %.0f seconds (`terminationGracePeriodSeconds`): raise that where you set `--shutdown-delay` above %.0f seconds.",
		grace.Seconds(), (grace - afterDelay).Seconds())
	if !strings.Contains(strings.Join(strings.Fields(string(page)), " "), want) {
		t.Errorf("docs/reference/server.md does not say: %s", want)
	}
}

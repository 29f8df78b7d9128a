package workloadevents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/policy"
)

// apiServer answers as an API server does. envtest/e2e has the real one.
type apiServer struct {
	mu       sync.Mutex
	requests []string       // as METHOD path
	events   []corev1.Event // that were created
	answer   func(r *http.Request) (status int, body any)
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e corev1.Event
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	a.mu.Lock()
	a.requests = append(a.requests, r.Method+" "+r.URL.Path)
	status, body := a.answer(r)
	if status == http.StatusCreated {
		a.events = append(a.events, e)
		body = &e
	}
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (a *apiServer) seen() (requests []string, events []corev1.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.requests...), append([]corev1.Event(nil), a.events...)
}

// lines are those of a log.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) add(_, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, line)
}

func newRecorder(t *testing.T, a http.Handler) (*Recorder, *lines) {
	t.Helper()
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	log := &lines{}
	config := &rest.Config{Host: s.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
	r, err := New(config, funcr.New(log.add, funcr.Options{}), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return r, log
}

func start(t *testing.T, r *Recorder) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// eventually waits until there is no error.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func event(namespace, workload string) *Event {
	return &Event{
		Namespace: namespace, Workload: "StatefulSet/" + workload, Type: corev1.EventTypeWarning, Reason: "PodRejected", Note: "because", Topic: "because", Quiet: time.Hour,
		Controller: policy.OwnerView{APIVersion: "apps/v1", Kind: "StatefulSet", Name: workload, UID: types.UID("uid-" + workload), Controller: new(true)},
	}
}

func created(*http.Request) (int, any) { return http.StatusCreated, nil }

func forbidden(r *http.Request) (int, any) {
	return http.StatusForbidden, &metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden, Message: "events is forbidden: " + r.URL.Path}
}

func TestRecord_WhatWasSaidIsNotRepeated(t *testing.T) {
	r, _ := newRecorder(t, &apiServer{answer: created})
	changed := func(change func(*Event)) *Event {
		e := event("shop", "web")
		change(e)
		return e
	}
	brief := func() *Event { return changed(func(e *Event) { e.Quiet = time.Nanosecond; e.Reason = "PodChanged" }) }
	for i, c := range []struct {
		e   *Event
		new bool
	}{
		{event("shop", "web"), true},
		{event("shop", "web"), false},
		{changed(func(e *Event) { e.Note = "3 Pods" }), false},
		{changed(func(e *Event) { e.Topic = "another" }), true},
		{event("shop", "db"), true},
		{event("bank", "web"), true},
		{brief(), true},
		{brief(), true},
		{changed(func(e *Event) { e.Controller.UID = "" }), false},
		{changed(func(e *Event) { e.Controller.Kind = strings.Repeat("x", 254); e.Reason = "x" }), false},
	} {
		if got := r.Record(c.e); got != c.new {
			t.Errorf("event %d is new: %t, want %t", i, got, c.new)
		}
	}
}

// What is kept of an event does not keep the request whose memory its texts are.
func TestRecord_KeepsNoRequest(t *testing.T) {
	r, _ := newRecorder(t, &apiServer{answer: created})
	request := strings.Repeat("x", 1<<20) + "shop" + "web"
	e := event(request[1<<20:][:4], "web")
	e.Controller.Name, e.Note = request[1<<20+4:], request[1<<20:]
	if !r.Record(e) {
		t.Fatal("the event is not new")
	}
	kept := <-r.queue
	for name, texts := range map[string][2]string{
		"namespace": {e.Namespace, kept.Namespace}, "name": {e.Controller.Name, kept.Controller.Name}, "note": {e.Note, kept.Note},
	} {
		if texts[0] != texts[1] || unsafe.StringData(texts[0]) == unsafe.StringData(texts[1]) {
			t.Errorf("the %s %q is kept as %q of the same memory", name, texts[0], texts[1])
		}
	}
	for _, key := range r.said.Keys() {
		if s, ok := key.(saying); !ok || s.namespace != "shop" || unsafe.StringData(s.namespace) == unsafe.StringData(e.Namespace) {
			t.Errorf("what was said is remembered by %+v, of the request's memory", key)
		}
	}
}

// Nobody waits: while the API server hangs, and before the recorder is started, events are dropped.
func TestRecord_NeverWaits(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	r, _ := newRecorder(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	record := func(prefix string, n int) (taken int) {
		for i := range n {
			if r.Record(event("shop", fmt.Sprintf("%s-%d", prefix, i))) {
				taken++
			}
		}
		return taken
	}
	if taken := record("early", 3000); taken != mostQueued || testutil.ToFloat64(r.dropped) != 3000-mostQueued {
		t.Errorf("%d of 3,000 were taken and %.0f dropped, want %d and the rest", taken, testutil.ToFloat64(r.dropped), mostQueued)
	}
	start(t, r)
	// What is dropped was not said: it is new when it comes again.
	eventually(t, func() error {
		if !r.Record(event("shop", "early-2999")) {
			return errors.New("there is no room yet")
		}
		return nil
	})
	record("late", 10_000)
}

// Without the right there is one line in the log, and one request for each namespace.
func TestStart_WithoutTheRight(t *testing.T) {
	a := &apiServer{answer: forbidden}
	r, log := newRecorder(t, a)
	start(t, r)
	for i := range 10 {
		for _, namespace := range []string{"shop", "bank", "farm"} {
			r.Record(event(namespace, fmt.Sprintf("web-%d", i)))
		}
	}
	eventually(t, func() error {
		if got := testutil.ToFloat64(r.dropped); got != 30 {
			return fmt.Errorf("%.0f are counted as dropped, want 30", got)
		}
		return nil
	})
	requests, _ := a.seen()
	want := []string{"POST /api/v1/namespaces/shop/events", "POST /api/v1/namespaces/bank/events", "POST /api/v1/namespaces/farm/events"}
	if diff := cmp.Diff(want, requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if len(log.text) != 1 || !strings.Contains(log.text[0], "Grant create and patch on events, as the ClusterRole shmkeeper-events does") {
		t.Errorf("the log has %q, want one line that says what to grant", log.text)
	}
}

// The event is about what owns the ReplicaSet, which is read once; about the ReplicaSet where it may not
// be read; and nothing is written about one that is not there, or is another of the same name.
func TestStart_FindsTheWorkload(t *testing.T) {
	a := &apiServer{answer: func(r *http.Request) (int, any) {
		name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		switch {
		case r.Method == http.MethodPost:
			return http.StatusCreated, nil
		case strings.HasPrefix(name, "secret-"):
			return forbidden(r)
		case strings.HasPrefix(name, "gone-"):
			return http.StatusNotFound, &metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound}
		}
		return http.StatusOK, &appsv1.ReplicaSet{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"},
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "uid-web", Controller: new(true)},
			}},
		}
	}}
	r, _ := newRecorder(t, a)
	start(t, r)
	record := func(name, uid, reason string) {
		r.Record(&Event{
			Namespace: "shop", Workload: "Deployment/" + name, Type: corev1.EventTypeNormal, Reason: reason, Note: strings.Repeat("n", 2000), Quiet: time.Hour,
			Controller: policy.OwnerView{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: name, UID: types.UID(uid)},
		})
	}
	record("gone-5d4", "uid-gone-5d4", "PodChanged")
	record("web-5d4", "made up", "PodChanged")
	record("web-5d4", "uid-web-5d4", "PodRejected")
	record("secret-5d4", "uid-secret-5d4", "PodChanged")
	record("web-5d4", "uid-web-5d4", "PodWouldBeChanged")
	var events []corev1.Event
	eventually(t, func() error {
		if _, events = a.seen(); len(events) < 3 {
			return fmt.Errorf("%d events were written", len(events))
		}
		return nil
	})
	var got []string
	for i := range events {
		e := &events[i]
		about := e.InvolvedObject
		got = append(got, fmt.Sprintf("%s %s %s %s %s/%s %s %d", e.Type, e.Reason, e.ReportingController, about.Namespace, about.Kind, about.Name, about.UID, len(e.Message)))
	}
	want := []string{
		"Normal PodRejected shmkeeper shop Deployment/web uid-web 1000",
		"Normal PodChanged shmkeeper shop ReplicaSet/secret-5d4 uid-secret-5d4 1000",
		"Normal PodWouldBeChanged shmkeeper shop Deployment/web uid-web 1000",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	requests, _ := a.seen()
	reads := 0
	for _, request := range requests {
		if strings.HasPrefix(request, "GET ") {
			reads++
		}
	}
	if reads != 4 {
		t.Errorf("%d ReplicaSets were read, want 4: what owns one is remembered: %q", reads, requests)
	}
}

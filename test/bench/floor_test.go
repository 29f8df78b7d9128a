package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testFloor starts the floor with the patch [1] under the name small, in a folder.
func testFloor(t *testing.T) (f *floor, dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "patch-"+small+".json"), []byte("[1]"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := startFloor(t.Context(), dir, "floor.test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Error(err)
		}
	})
	return f, dir
}

func (f *floor) target(t *testing.T, path string) target {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(f.Certificate)) {
		t.Fatal("the floor has printed no certificate")
	}
	return target{floorName, "https://" + f.Address + path, &tls.Config{RootCAs: pool, ServerName: "floor.test", MinVersion: tls.VersionTLS13}}
}

func TestFloor(t *testing.T) {
	f, dir := testFloor(t)
	const review = `{"kind": "AdmissionReview", "request": {"uid": "a-b", "object": {"uid": "c"}}}`
	const allowed = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"a-b","allowed":true`
	for path, want := range map[string]string{
		"/allow":          allowed + "}}",
		"/patch/" + small: allowed + `,"patchType":"JSONPatch","patch":"WzFd"}}`,
		"/record/pod":     allowed + "}}",
	} {
		to := f.target(t, path)
		got, err := ask(t.Context(), to.client(1), to.url, []byte(review))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", path, diff)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "review-pod.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(review, string(got)); diff != "" {
		t.Errorf("the record: -want +got:\n%s", diff)
	}
	for path, body := range map[string]string{"/allow": "{", "/patch/none": review} {
		to := f.target(t, path)
		if answer, err := ask(t.Context(), to.client(1), to.url, []byte(body)); err == nil {
			t.Errorf("%s answers %q with %q", path, body, answer)
		}
	}
}

// Requests go out at the rate, by HTTP/1.1 and TLS 1.3, and each is answered.
func TestAttack(t *testing.T) {
	f, _ := testFloor(t)
	const rate, length = 200, time.Second
	l, err := attack(t.Context(), f.target(t, "/patch/"+small), f.pid(), []byte(`{"request": {"uid": "a"}}`), rate, length)
	if err != nil {
		t.Fatal(err)
	}
	if l.Errors > 0 || l.Requests != rate {
		t.Errorf("%d requests with %d errors (%s), want %d without", l.Requests, l.Errors, l.LastError, rate)
	}
	if l.P50 <= 0 || l.P99 < l.P50 || l.P999 < l.P99 || len(l.Memory) == 0 || l.Memory[0].MiB < 1 {
		t.Errorf("the figures are not of a server: %+v", l)
	}
	if l, err = attack(t.Context(), f.target(t, "/patch/none"), f.pid(), []byte(`{"request": {"uid": "a"}}`), rate, length/10); err != nil {
		t.Fatal(err)
	}
	if l.Errors != l.Requests || l.LastError != "https://"+f.Address+"/patch/none answers 500 Internal Server Error" {
		t.Errorf("%d of %d requests failed with %q, want all", l.Errors, l.Requests, l.LastError)
	}
}

// A request that could not be sent when it was due is as late as it would have been for a caller who
// does not wait for others.
func TestWorker_LatencyCountsFromWhenARequestWasDue(t *testing.T) {
	f, _ := testFloor(t)
	workers, err := connect(t.Context(), f.target(t, "/allow"), []byte(`{"request": {"uid": "a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	queue := make(chan time.Time, 1)
	queue <- time.Now().Add(-time.Minute)
	close(queue)
	for _, w := range workers {
		w.run(t.Context(), queue)
	}
	l := Load{Requests: 1}
	l.sum(workers)
	if l.Errors > 0 || l.P50 < 60_000 || l.P50 > 90_000 {
		t.Errorf("got %+v, want a latency of a minute", l)
	}
}

// A connection that the server closes is opened again.
func TestWorker_ClosedConnection(t *testing.T) {
	f, _ := testFloor(t)
	workers, err := connect(t.Context(), f.target(t, "/allow"), []byte("{"))
	if err != nil {
		t.Fatal(err)
	}
	w := workers[0]
	w.request = []byte(strings.ReplaceAll(string(w.request), "\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
	queue := make(chan time.Time, 3)
	for range 3 {
		queue <- time.Now()
	}
	close(queue)
	w.run(t.Context(), queue)
	if len(w.latencies) != 3 || w.errors != 3 || !strings.HasSuffix(w.last.Error(), "answers 400 Bad Request") {
		t.Errorf("%d answers, %d errors, the last %v", len(w.latencies), w.errors, w.last)
	}
}

func TestTarget_HTTP1(t *testing.T) {
	f, _ := testFloor(t)
	to := f.target(t, "/allow")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to.url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := to.client(1).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.ProtoMajor != 1 || response.TLS.Version != tls.VersionTLS13 {
		t.Errorf("the floor serves by %s and TLS %#x", response.Proto, response.TLS.Version)
	}
}

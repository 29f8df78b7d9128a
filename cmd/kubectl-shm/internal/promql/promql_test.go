package promql

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// recorded are answers of Prometheus 2.42 to the questions of this package.
var recorded = map[string]string{
	`shmkeeper:default_shm_capacity_bytes{namespace="shop"}`:         vector(`"namespace":"shop","pod":"web-0","sandbox":"a"`, "67108864"),
	`shmkeeper:default_shm_used_bytes{namespace="shop"}`:             vector(`"namespace":"shop","pod":"web-0","sandbox":"a"`, "34127410.28125"),
	`shmkeeper:default_shm_files{namespace="shop"}`:                  vector(`"namespace":"shop","pod":"web-0","sandbox":"a"`, "8192"),
	`deriv(shmkeeper:default_shm_used_bytes{namespace="shop"}[15m])`: vector(`"namespace":"shop","pod":"web-0","sandbox":"a"`, "40959.718217341106"),
	`shmkeeper:volume_capacity_bytes{namespace="shop"}`:              vector(`"namespace":"shop","pod":"web-1","uid":"u","volume":"shm"`, "134217728"),
	`shmkeeper:volume_used_bytes{namespace="shop"}`:                  vector(`"namespace":"shop","pod":"web-1","uid":"u","volume":"shm"`, "NaN"),
	`max_over_time(shmkeeper:volume_used_bytes{namespace!=""}[1w])`:  vector(`"namespace":"shop","pod":"web-1","uid":"u","volume":"shm"`, "1048576"),
}

func vector(labels, value string) string {
	return fmt.Sprintf(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"127.0.0.1:9100","job":"x",%s},"value":[1795724819.877,%q]}]}}`, labels, value)
}

// prometheus serves the recorded answers.
func prometheus(t *testing.T) *Source {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := recorded[r.FormValue("query")]
		if answer == "" {
			answer = `{"status":"success","data":{"resultType":"vector","result":[]}}`
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	s, err := New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVolumes(t *testing.T) {
	got, err := prometheus(t).Volumes(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	want := []Volume{
		{Key: Key{"shop", "web-0", ""}, Size: 64 * sizing.MiB, Used: 34127410, Files: 8192, Growth: 40959.718217341106},
		{Key: Key{"shop", "web-1", "shm"}, Size: 128 * sizing.MiB, Files: -1, Growth: math.NaN()},
	}
	same := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
}

func TestPeaks(t *testing.T) {
	got, err := prometheus(t).Peaks(t.Context(), "", 168*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[Key]sizing.Bytes{{"shop", "web-1", "shm"}: sizing.MiB}, got); diff != "" {
		t.Error(diff)
	}
}

func TestVolumes_Errors(t *testing.T) {
	if _, err := prometheus(t).Volumes(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "load the rules of manifests/monitoring") {
		t.Errorf("got %v; want what to load", err)
	}
	for name, answer := range map[string]string{
		"no Prometheus":        "<html>",
		"an error of its own":  `{"status":"error","errorType":"execution","error":"out of order"}`,
		"another kind":         `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`,
		"nothing":              "",
		"a value without time": `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["x"]}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
			defer server.Close()
			s, err := New(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Volumes(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), "check --prometheus-url") {
				t.Errorf("got %v, %v; want an error that names the flag", got, err)
			}
		})
	}
	for _, address := range []string{"", "prometheus:9090", "ftp://prometheus", "http://", "http://%zz"} {
		if _, err := New(address); err == nil || !strings.Contains(err.Error(), "write one such as http://prometheus.monitoring:9090") {
			t.Errorf("%q: got %v; want an example", address, err)
		}
	}
}

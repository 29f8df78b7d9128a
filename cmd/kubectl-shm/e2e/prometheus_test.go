package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// figures are what a Prometheus with the rules of manifests/monitoring says, by the query without its selector.
var figures = map[string]string{
	"shmkeeper:volume_capacity_bytes":           `{"namespace":"shop","pod":"web-0","volume":"shm"} 67108864`,
	"shmkeeper:volume_used_bytes":               `{"namespace":"shop","pod":"web-0","volume":"shm"} 33554432`,
	"deriv(shmkeeper:volume_used_bytes":         `{"namespace":"shop","pod":"web-0","volume":"shm"} 40960`,
	"shmkeeper:default_shm_capacity_bytes":      `{"namespace":"shop","pod":"gone-0"} 67108864`,
	"shmkeeper:default_shm_used_bytes":          `{"namespace":"shop","pod":"gone-0"} 1`,
	"max_over_time(shmkeeper:volume_used_bytes": `{"namespace":"shop","pod":"web-0","volume":"shm"} 50000000`,
}

// prometheus serves the figures.
func prometheus(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, _, _ := strings.Cut(r.FormValue("query"), "{")
		result := ""
		if labels, value, found := strings.Cut(figures[query], "} "); found {
			result = fmt.Sprintf(`{"metric":%s},"value":[1795724819.877,%q]}`, labels, value)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// With a Prometheus nothing is executed, and who may list Pods sees what it knows of those that run.
func TestTop_FromPrometheus(t *testing.T) {
	c := startInstalled(t, nil)
	c.create(t, newNamespace("shop", ""))
	c.node(t, "plain")
	c.runPod(t, "plain", small("web-0", "web"))
	c.runPod(t, "plain", policytest.NewPod("new-0", policytest.Namespace("shop"), policytest.WithContainer("web", "nginx")))
	c.kubectl(t, "create", "clusterrole", "lists", "--verb=list", "--resource=pods")
	c.kubectl(t, "create", "clusterrolebinding", "lists", "--clusterrole=lists", "--user=jane")
	url := prometheus(t)

	got := c.shm("top", "-n", "shop", "--as=jane", "--prometheus-url", url)
	want := "POD    VOLUME    USED    SIZE  USE%  FILES      GROWTH      FULL IN    LIMIT  OOM FIRST\n" +
		"web-0  shm     32.0Mi  64.0Mi  50 %      ?  +2.3Mi/min  13 min 39 s  128.0Mi  unknown\n"
	if got.Code != cli.ExitOK || got.Out != want || !strings.HasPrefix(got.ErrOut, "could not be read: shop/new-0 /dev/shm: there is no series of it in Prometheus") {
		t.Errorf("got %+v; want\n%s", got, want)
	}
	var answer struct {
		Volumes []struct {
			Pod                           string
			Files, MemoryUsedBytes        *int64
			GrowthBytesPerSecond          *float64
			GrowthFilesPerSecond          *float64
			FullInSeconds, SizeLimitBytes *int64
			OOMBeforeFull                 *bool
		}
	}
	got = c.shm("top", "-n", "shop", "-o", "json", "--prometheus-url", url)
	if err := json.Unmarshal([]byte(got.Out), &answer); err != nil || len(answer.Volumes) != 2 {
		t.Fatalf("%v: %+v", err, got)
	}
	if v := answer.Volumes[0]; v.Pod != "web-0" || v.Files != nil || v.GrowthFilesPerSecond != nil || v.OOMBeforeFull != nil || v.GrowthBytesPerSecond == nil || *v.FullInSeconds != 819 {
		t.Errorf("got %+v; want what is known, and null for the rest", v)
	}
	if got := c.shm("top", "-n", "shop", "--prometheus-url", "localhost:9090"); got.Code != cli.ExitUsage || !strings.Contains(got.ErrOut, "is not the URL of a Prometheus") {
		t.Errorf("an address that is not a URL: %+v", got)
	}
	if got := c.shm("recommend", "-n", "shop", "--prometheus-url", url, "--window", "1s"); got.Code != cli.ExitUsage || !strings.Contains(got.ErrOut, "--window: 1s is not from 1m to 8784h") {
		t.Errorf("a window that is too short: %+v", got)
	}
}

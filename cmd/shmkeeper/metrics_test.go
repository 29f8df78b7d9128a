package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// The metrics of docs/reference/server.md are those that a server registers.
func TestMetrics_AsDocumented(t *testing.T) {
	config := &rest.Config{Host: "127.0.0.1:1"} // nobody is asked before the start
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	registry, o := ownRegistry(t), withoutPorts(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, _, err := newManagers(config, kube, *o, &drain{stopping: ctx}, &permissionCheck{}); err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() { registry.Describe(descs); close(descs) }()
	var registered []string
	name := regexp.MustCompile(`fqName: "(shmkeeper_[a-z_]+)"`)
	for d := range descs {
		if found := name.FindStringSubmatch(d.String()); found != nil {
			registered = append(registered, found[1])
		}
	}
	page, err := os.ReadFile("../../docs/reference/server.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(shmkeeper_[a-z_]+)` ").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, row[1])
	}
	slices.Sort(registered)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, registered); diff != "" {
		t.Errorf("metrics (-docs/server.md +registered):\n%s", diff)
	}
}

func TestServerMetrics_TimeAnswersByPath(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newServerMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	answer := m.timed("/a", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	answer.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/a", http.NoBody))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "shmkeeper_admission_duration_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		if h.GetSampleCount() != 1 || f.GetMetric()[0].GetLabel()[0].GetValue() != "/a" {
			t.Errorf("%d answers are counted, want 1 of /a: %v", h.GetSampleCount(), f.GetMetric()[0].GetLabel())
		}
		var got []float64
		for _, b := range h.GetBucket() {
			got = append(got, b.GetUpperBound())
		}
		if diff := cmp.Diff([]float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2}, got); diff != "" {
			t.Errorf("buckets in seconds (-want +got):\n%s", diff)
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 || len(families) != 2 {
		t.Errorf("%d metrics, %v, %v", len(families), problems, err)
	}
	if !strings.Contains(families[1].String(), "goversion") {
		t.Errorf("the build is %s", families[1])
	}
}

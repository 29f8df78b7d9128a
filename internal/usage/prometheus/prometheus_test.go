package prometheus_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/internal/usage/prometheus"
)

var now = time.Date(2026, 4, 18, 12, 0, 0, 0, time.UTC)

const (
	mib        = 1 << 20
	mountpoint = "/var/lib/kubelet/pods/uid-1/volumes/kubernetes.io~empty-dir/shm"
)

// series returns one series of an answer. values are "time,value" pairs.
func series(name, mountpoint string, values ...string) string {
	var pairs []string
	for _, v := range values {
		at, value, _ := strings.Cut(v, ",")
		pairs = append(pairs, fmt.Sprintf(`[%s,%q]`, at, value))
	}
	field, list := "value", pairs[0]
	if len(pairs) > 1 {
		field, list = "values", "["+strings.Join(pairs, ",")+"]"
	}
	return fmt.Sprintf(`{"metric":{"__name__":%q,"device":"tmpfs","mountpoint":%q},%q:%s}`, name, mountpoint, field, list)
}

func vector(series ...string) string {
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(series, ",") + `]}}`
}

// figures returns the four series of a volume with 8 of 64 MiB and 3 files.
func figures(mountpoint string) []string {
	return []string{
		series("node_filesystem_size_bytes", mountpoint, "1776513600,67108864"), series("node_filesystem_avail_bytes", mountpoint, "1776513600,58720256"),
		series("node_filesystem_files", mountpoint, "1776513600,1000"), series("node_filesystem_files_free", mountpoint, "1776513600,996"),
	}
}

// serve returns a reader of a server that answers queries of timestamps in one way and others in
// another.
func serve(t *testing.T, o prometheus.Options, values, times string) *prometheus.Reader {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/prefix/api/v1/query") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		text := values
		if strings.HasPrefix(r.FormValue("query"), "timestamp(") {
			text = times
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	p, err := prometheus.New(s.URL+"/prefix/", o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReader_Now(t *testing.T) {
	taken := series("", mountpoint, "1776513600,1776513570.5")
	want := []usage.Reading{{
		VolumeKey: usage.VolumeKey{PodUID: "uid-1", Volume: "shm"},
		Sample:    usage.Sample{Time: now.Add(-29500 * time.Millisecond), Used: 8 * mib, Capacity: 64 * mib, InodesUsed: 4, Inodes: 1000},
	}}
	replaced := func(what, by string) string { return strings.ReplaceAll(vector(figures(mountpoint)...), what, by) }
	for name, tc := range map[string]struct {
		values, times string
		want          []usage.Reading
	}{
		"a volume":                         {vector(figures(mountpoint)...), vector(taken), want},
		"behind the root of node_exporter": {vector(figures("/host" + mountpoint)...), vector(series("", "/host"+mountpoint, "1776513600,1776513570.5")), want},
		"none":                             {vector(), vector(), nil},
		"without the time of the sample":   {vector(figures(mountpoint)...), vector(), nil},
		"a time in the future":             {vector(figures(mountpoint)...), vector(series("", mountpoint, "1776513600,9999999999")), nil},
		"a figure that is missing":         {vector(figures(mountpoint)[1:]...), vector(taken), nil},
		"NaN":                              {replaced("58720256", "NaN"), vector(taken), nil},
		"a negative figure":                {replaced("58720256", "-1"), vector(taken), nil},
		"infinity":                         {replaced("67108864", "+Inf"), vector(taken), nil},
		"more free than there is":          {replaced("58720256", "99999999"), vector(taken), nil},
		"a value that is a number":         {replaced(`"58720256"`, "58720256"), vector(taken), nil},
		"a mount that is something else":   {replaced("kubernetes.io~empty-dir", "kubernetes.io~secret"), vector(taken), nil},
		"warnings beside the answer":       {strings.Replace(vector(figures(mountpoint)...), `"status"`, `"warnings":["x"],"infos":[],"status"`, 1), vector(taken), want},
	} {
		got, err := serve(t, prometheus.Options{}, tc.values, tc.times).Now(t.Context(), now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReader_Between(t *testing.T) {
	text := strings.Replace(vector(
		series("node_filesystem_size_bytes", mountpoint, "1776510000,67108864", "1776510060,67108864"), series("node_filesystem_avail_bytes", mountpoint, "1776510000,67108864", "1776510060,67104768"),
		series("node_filesystem_files", mountpoint, "1776510000,1000", "1776510060,1000"), series("node_filesystem_files_free", mountpoint, "1776510000,999", "1776510060,998"),
	), "vector", "matrix", 1)
	p := serve(t, prometheus.Options{}, text, "")
	got, err := p.Between(t.Context(), now.Add(-time.Hour), now, time.Minute)
	key := usage.VolumeKey{PodUID: "uid-1", Volume: "shm"}
	want := []usage.Reading{
		{VolumeKey: key, Sample: usage.Sample{Time: now.Add(-time.Hour), Capacity: 64 * mib, InodesUsed: 1, Inodes: 1000}},
		{VolumeKey: key, Sample: usage.Sample{Time: now.Add(-59 * time.Minute), Used: 4096, Capacity: 64 * mib, InodesUsed: 2, Inodes: 1000}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, step := range map[string]time.Duration{"steps of nothing": 0, "more steps than Prometheus answers": time.Second} {
		if _, err := p.Between(t.Context(), now.Add(-24*time.Hour), now, step); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReader_Memory(t *testing.T) {
	one := func(pod, container, value string) string {
		return fmt.Sprintf(`{"metric":{"namespace":"n","pod":%q,"container":%q},"value":[1776513600,%q]}`, pod, container, value)
	}
	got, err := serve(t, prometheus.Options{}, vector(one("p", "", "700"), one("p", "app", "500"), one("p", "bad", "NaN"), one("q", "app", "1")), "").Memory(t.Context(), now, []string{"n", "m.x"})
	want := map[[2]string]*usage.PodMemory{
		{"n", "p"}: {Pod: 700, Containers: map[string]int64{"app": 500}},
		{"n", "q"}: {Containers: map[string]int64{"app": 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestReader_Fails(t *testing.T) {
	for name, tc := range map[string]struct {
		values  string
		options prometheus.Options
		want    string
	}{
		"an error of Prometheus": {`{"status":"error","errorType":"bad_data","error":"parse error"}`, prometheus.Options{}, `the answer of Prometheus is 200 OK: "parse error"`},
		"HTML":                   {"<html>", prometheus.Options{}, "reading the answer of Prometheus"},
		"half an answer":         {vector(figures(mountpoint)...)[:200], prometheus.Options{}, "reading the answer of Prometheus"},
		"a list":                 {"[]", prometheus.Options{}, "this is not the form of an answer of Prometheus"},
		"a list of lists":        {`{"data":{"result":[[]]}}`, prometheus.Options{}, "this is not the form of an answer of Prometheus"},
		"a long answer":          {vector(figures(mountpoint)...), prometheus.Options{MaxBytes: 100}, "the answer of Prometheus is longer than 100 bytes"},
	} {
		if _, err := serve(t, tc.options, tc.values, "").Now(t.Context(), now); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v; want %q", name, err, tc.want)
		}
	}
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
		<-r.Context().Done()
	}))
	t.Cleanup(hangs.Close)
	p, err := prometheus.New(hangs.URL, prometheus.Options{Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Now(t.Context(), now); err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("a Prometheus that hangs: %v; want its time to be up", err)
	}
	wrong, err := prometheus.New(hangs.URL+"/elsewhere", prometheus.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := wrong.Now(ctx, now); err == nil {
		t.Error("after the server has stopped: no error")
	}
}

func TestNew_Addresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"http://prometheus.monitoring:9090": true, "https://mimir.example.org/prometheus": true,
		"": false, "prometheus:9090": false, "ftp://prometheus": false, "http://": false, "http://a?b=c": false, "http://a#b": false, "::": false,
	} {
		if _, err := prometheus.New(address, prometheus.Options{}); (err == nil) != ok {
			t.Errorf("%q: %v; want it taken: %t", address, err, ok)
		}
	}
}

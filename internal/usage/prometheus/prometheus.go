// Package prometheus asks a Prometheus how full the volumes of Pods are: what node_exporter says of
// each tmpfs that the kubelet mounts for a Memory emptyDir (its mount point has the Pod's UID and
// the volume's name), and what cAdvisor says of the Pods' memory. It is for clusters whose kubelets
// the server may not ask.
//
// Debian's package of node_exporter and kube-prometheus-stack leave those mounts out by default:
// docs/how-to/measure-usage.md says what to set.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/usage"
)

// Options say how a Prometheus is asked.
type Options struct {
	// Client makes the requests; nil: one without credentials.
	Client *http.Client
	// Timeout is how long an answer may take in full; 0 counts as 30 s.
	Timeout time.Duration
	// MaxBytes is how long it may be; 0 counts as 256 MiB, which is read as a stream.
	MaxBytes int64
}

// Reader asks a Prometheus. It may be used concurrently.
type Reader struct {
	base     url.URL
	client   *http.Client
	timeout  time.Duration
	maxBytes int64
}

// New returns a Reader of the Prometheus at an address such as http://prometheus.monitoring:9090,
// with a path if it has one. An error says what is wrong with the address.
func New(address string, o Options) (*Reader, error) {
	base, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is not a URL: write one such as http://prometheus.monitoring:9090", address)
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("%q is not the URL of a Prometheus: write one such as http://prometheus.monitoring:9090", address)
	case base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("%q has a query or a fragment: leave it out", base.Redacted())
	}
	r := &Reader{base: *base, client: o.Client, timeout: o.Timeout, maxBytes: o.MaxBytes}
	if r.client == nil {
		r.client = &http.Client{}
	}
	if r.timeout <= 0 {
		r.timeout = 30 * time.Second
	}
	if r.maxBytes <= 0 {
		r.maxBytes = 256 << 20
	}
	return r, nil
}

// selector selects what node_exporter says of Memory emptyDirs.
const selector = `{__name__=~"node_filesystem_(size_bytes|avail_bytes|files|files_free)",fstype="tmpfs",mountpoint=~".*/pods/[^/]+/volumes/kubernetes[.]io~empty-dir/[^/]+"}`

// Now returns the newest samples of all volumes, in no order. Volumes of which a figure is missing,
// or cannot be true, are left out.
func (r *Reader) Now(ctx context.Context, at time.Time) ([]usage.Reading, error) {
	found := volumes{}
	err := r.query(ctx, "query", url.Values{"query": {selector}, "time": {stamp(at)}}, found.add)
	if err != nil {
		return nil, err
	}
	// The time of a sample in an answer is that of the question.
	times := `timestamp(` + strings.Replace(selector, "node_filesystem_(size_bytes|avail_bytes|files|files_free)", "node_filesystem_avail_bytes", 1) + `)`
	taken := map[usage.VolumeKey]time.Time{}
	err = r.query(ctx, "query", url.Values{"query": {times}, "time": {stamp(at)}}, func(s *stream) {
		if key, ok := keyOf(s.metric["mountpoint"]); ok && len(s.samples) == 1 {
			taken[key] = time.UnixMilli(int64(s.samples[0].value * 1000)).UTC()
		}
	})
	if err != nil {
		return nil, err
	}
	out := found.readings()
	kept := out[:0]
	for _, reading := range out {
		if t, ok := taken[reading.VolumeKey]; ok && !t.After(at.Add(time.Hour)) {
			reading.Time = t
			kept = append(kept, reading)
		}
	}
	return kept, nil
}

// Between returns the samples of all volumes from one time to another, in steps, each volume's in
// their order. Prometheus allows 11,000 steps.
func (r *Reader) Between(ctx context.Context, from, to time.Time, step time.Duration) ([]usage.Reading, error) {
	if step < time.Second || !to.After(from) || to.Sub(from)/step > 11_000 {
		return nil, fmt.Errorf("from %s to %s in steps of %s is more than Prometheus answers: take longer steps", from.Format(time.RFC3339), to.Format(time.RFC3339), step)
	}
	found := volumes{}
	err := r.query(ctx, "query_range", url.Values{
		"query": {selector}, "start": {stamp(from)}, "end": {stamp(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}, found.add)
	if err != nil {
		return nil, err
	}
	return found.readings(), nil
}

// Memory returns the working sets of the Pods in some namespaces, by namespace and name.
func (r *Reader) Memory(ctx context.Context, at time.Time, namespaces []string) (map[[2]string]*usage.PodMemory, error) {
	quoted := make([]string, len(namespaces))
	for i, n := range namespaces {
		quoted[i] = regexp.QuoteMeta(n)
	}
	query := fmt.Sprintf(`container_memory_working_set_bytes{pod!="",container!="POD",namespace=~%q}`, strings.Join(quoted, "|"))
	out := map[[2]string]*usage.PodMemory{}
	err := r.query(ctx, "query", url.Values{"query": {query}, "time": {stamp(at)}}, func(s *stream) {
		if len(s.samples) != 1 {
			return
		}
		used, ok := figure(s.samples[0].value)
		if !ok {
			return
		}
		key := [2]string{s.metric["namespace"], s.metric["pod"]}
		m := out[key]
		if m == nil {
			m = &usage.PodMemory{Containers: map[string]int64{}}
			out[key] = m
		}
		if container := s.metric["container"]; container != "" {
			m.Containers[container] = used
		} else {
			m.Pod = max(m.Pod, used)
		}
	})
	return out, err
}

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// query asks, and calls each with the streams of the answer.
func (r *Reader) query(ctx context.Context, endpoint string, form url.Values, each func(*stream)) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	u := r.base
	u.Path, u.RawPath = path.Join("/", u.Path, "api/v1", endpoint), ""
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("asking Prometheus: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body := &io.LimitedReader{R: response.Body, N: r.maxBytes + 1}
	// Prometheus explains errors in the form of an answer.
	failure, err := readAnswer(body, each)
	switch {
	case body.N <= 0:
		return fmt.Errorf("the answer of Prometheus is longer than %d bytes: take longer steps, or a shorter time", r.maxBytes)
	case failure != "":
		return fmt.Errorf("the answer of Prometheus is %s: %s", response.Status, failure)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("the answer of Prometheus is %s: make sure that --usage-prometheus-url is its address", response.Status)
	case err != nil:
		return fmt.Errorf("reading the answer of Prometheus: %w", err)
	}
	return nil
}

// keyOf returns whose volume is mounted at .../pods/<UID>/volumes/kubernetes.io~empty-dir/<name>.
func keyOf(mountpoint string) (usage.VolumeKey, bool) {
	parts := strings.Split(mountpoint, "/")
	n := len(parts)
	if n < 5 || parts[n-2] != "kubernetes.io~empty-dir" || parts[n-3] != "volumes" || parts[n-5] != "pods" || parts[n-1] == "" || parts[n-4] == "" {
		return usage.VolumeKey{}, false
	}
	return usage.VolumeKey{PodUID: parts[n-4], Volume: parts[n-1]}, true
}

// volumes are figures by volume and time.
type volumes map[usage.VolumeKey]map[int64]*figures

type figures struct{ size, avail, files, filesFree float64 }

func (v volumes) add(s *stream) {
	key, ok := keyOf(s.metric["mountpoint"])
	if !ok {
		return
	}
	if v[key] == nil {
		v[key] = make(map[int64]*figures, len(s.samples))
	}
	for _, x := range s.samples {
		f := v[key][x.millis]
		if f == nil {
			f = &figures{-1, -1, -1, -1}
			v[key][x.millis] = f
		}
		switch s.metric["__name__"] {
		case "node_filesystem_size_bytes":
			f.size = x.value
		case "node_filesystem_avail_bytes":
			f.avail = x.value
		case "node_filesystem_files":
			f.files = x.value
		case "node_filesystem_files_free":
			f.filesFree = x.value
		}
	}
}

// figure returns a figure as a whole number; ok is false for one that is negative, NaN or larger
// than anything.
func figure(f float64) (int64, bool) {
	if f >= 0 && f <= 1<<50 {
		return int64(f), true
	}
	return 0, false
}

var errNotAnswer = errors.New("this is not the form of an answer of Prometheus: make sure that --usage-prometheus-url is its address")

//go:build chaos && linux

package chaos

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// replica is a server process, and where it says how it is.
type replica struct {
	*install.Replica
	name             string
	profiles, scrape string // addresses
}

// startReplica starts a replica with the certificates' times of the run, which drains as long as by
// default. More flags come last.
func (h *harness) startReplica(ctx context.Context, more ...string) (*replica, error) {
	h.started++
	r := &replica{name: fmt.Sprintf("replica-%d", h.started)}
	for _, address := range []*string{&r.profiles, &r.scrape} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*address = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	args := append([]string{"--pprof-bind-address=" + r.profiles, "--metrics-bind-address=" + r.scrape, "--shutdown-delay=5s"}, h.certificates.flags()...)
	var err error
	r.Replica, err = install.StartReplica(ctx, h.cp, h.program, h.dir, r.name, append(args, more...)...)
	if err == nil {
		h.logs = append(h.logs, r.Log)
	}
	return r, err
}

// usage is what a process holds.
type usage struct {
	goroutines, descriptors int
	heap                    int64 // bytes that are in use after a collection
	resident                int64 // bytes
}

var (
	goroutineCount = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapInUse      = regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)$`)
)

// usage reads what the replica holds now.
func (r *replica) usage(ctx context.Context) (u usage, err error) {
	for range 2 { // the second collection frees what pools held at the first
		text, err := r.profile(ctx, "heap?gc=1&debug=1")
		if err != nil {
			return u, err
		}
		if u.heap, err = number(heapInUse, text); err != nil {
			return u, err
		}
	}
	text, err := r.profile(ctx, "goroutine?debug=1")
	if err != nil {
		return u, err
	}
	goroutines, err := number(goroutineCount, text)
	if err != nil {
		return u, err
	}
	u.goroutines = int(goroutines)
	process := filepath.Join("/proc", strconv.Itoa(r.Pid()))
	descriptors, err := os.ReadDir(filepath.Join(process, "fd"))
	if err != nil {
		return u, err
	}
	u.descriptors = len(descriptors)
	status, err := os.ReadFile(filepath.Join(process, "status"))
	if err != nil {
		return u, err
	}
	kib, err := number(regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`), status)
	u.resident = kib << 10
	return u, err
}

func number(pattern *regexp.Regexp, text []byte) (int64, error) {
	found := pattern.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("there is no %s in:\n%.500s", pattern, text)
	}
	return strconv.ParseInt(string(found[1]), 10, 64)
}

// profile asks for a profile over a connection that is closed afterwards.
func (r *replica) profile(ctx context.Context, name string) ([]byte, error) {
	return get(ctx, "http://"+r.profiles+"/debug/pprof/"+name, "")
}

func get(ctx context.Context, url, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, // who answers is known by the port
	}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // all of it is read
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.500s", url, response.Status, text)
	}
	return text, err
}

// samples are metrics as Prometheus reads them: the value of each line, by the rest of it.
type samples map[string]float64

func parseSamples(text []byte) samples {
	out := samples{}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if value, err := strconv.ParseFloat(line[i+1:], 64); err == nil {
			out[line[:i]] += value
		}
	}
	return out
}

// sum adds up a metric over the lines that have all these labels, each as name="value".
func (s samples) sum(metric string, labels ...string) (total float64) {
lines:
	for line, value := range s {
		if name, _, _ := strings.Cut(line, "{"); name != metric {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(line, label) {
				continue lines
			}
		}
		total += value
	}
	return total
}

// metrics returns what a replica counts.
func (h *harness) metrics(ctx context.Context, r *replica) (samples, error) {
	text, err := get(ctx, "https://"+r.scrape+"/metrics", h.token)
	return parseSamples(text), err
}

// apiServerMetrics returns what the API server counts.
func (h *harness) apiServerMetrics(ctx context.Context) (samples, error) {
	text, err := h.kube.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	return parseSamples(text), err
}

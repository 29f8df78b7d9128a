//go:build linux

package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// The addresses in the network namespace of the cluster, where nothing else listens on them.
const (
	serverAddress = "127.0.0.1:9090"
	// NodeExporterAddress is where node_exporter listens.
	NodeExporterAddress = "127.0.0.1:9100"
)

// packages are the Debian packages that the programs are in.
const packages = "prometheus prometheus-node-exporter"

// Programs are the paths of the programs.
type Programs struct{ Server, NodeExporter string }

// Find looks for the programs. An error says which are missing and what to install.
func Find() (Programs, error) {
	var p Programs
	var missing []string
	for _, program := range []struct {
		path *string
		name string
	}{{&p.Server, "prometheus"}, {&p.NodeExporter, "prometheus-node-exporter"}} {
		path, err := exec.LookPath(program.name)
		if err != nil {
			missing = append(missing, program.name)
		}
		*program.path = path
	}
	if len(missing) > 0 {
		return p, fmt.Errorf("the test of the alerts needs %s, not found on this machine; on Debian: apt-get install %s", strings.Join(missing, ", "), packages)
	}
	return p, nil
}

// StartNodeExporter runs node_exporter on the file systems of the node, those that Debian's package and others leave out included.
func (p Programs) StartNodeExporter(ctx context.Context, cp *envtest.ControlPlane) error {
	return cp.RunProgram(ctx, "node-exporter", p.NodeExporter, []string{
		"--web.listen-address=" + NodeExporterAddress,
		"--collector.disable-defaults", "--collector.filesystem",
		// node_exporter's own default, without what a package has added.
		`--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`,
	}, func(ctx context.Context) error {
		_, err := get(ctx, "http://"+NodeExporterAddress+"/metrics")
		return err
	})
}

// Server is a running Prometheus.
type Server struct{ url string }

// Start runs Prometheus with a configuration file, and keeps its data in a folder.
func (p Programs) Start(ctx context.Context, cp *envtest.ControlPlane, config, data string) (*Server, error) {
	s := &Server{url: "http://" + serverAddress}
	err := cp.RunProgram(ctx, "prometheus", p.Server, []string{
		"--config.file=" + config, "--storage.tsdb.path=" + data, "--web.listen-address=" + serverAddress,
	}, func(ctx context.Context) error {
		_, err := get(ctx, s.url+"/-/ready")
		return err
	})
	return s, err
}

// Sample is one series of an answer, and its value now.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Query executes an expression now. The result has no series if there are none.
func (s *Server) Query(ctx context.Context, expr string) ([]Sample, error) {
	var result struct {
		ResultType string
		Result     json.RawMessage
	}
	if err := s.api(ctx, "/api/v1/query?query="+url.QueryEscape(expr), &result); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	var vector []struct {
		Metric map[string]string
		Value  [2]any
	}
	if result.ResultType != "vector" {
		return nil, fmt.Errorf("%s: the result is a %s, not a vector", expr, result.ResultType)
	}
	if err := json.Unmarshal(result.Result, &vector); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	samples := make([]Sample, len(vector))
	for i, v := range vector {
		text, _ := v.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: the value %v: %w", expr, v.Value[1], err)
		}
		samples[i] = Sample{Labels: v.Metric, Value: value}
	}
	return samples, nil
}

// RuleErrors returns what went wrong when the rules were evaluated last, by the rule's name.
func (s *Server) RuleErrors(ctx context.Context) (map[string]string, error) {
	var result struct {
		Groups []struct {
			Rules []struct{ Name, LastError string }
		}
	}
	if err := s.api(ctx, "/api/v1/rules", &result); err != nil {
		return nil, err
	}
	errs, rules := map[string]string{}, 0
	for _, group := range result.Groups {
		for _, rule := range group.Rules {
			rules++
			if rule.LastError != "" {
				errs[rule.Name] = rule.LastError
			}
		}
	}
	if rules == 0 {
		return nil, fmt.Errorf("there are no rules in Prometheus")
	}
	return errs, nil
}

// api asks the HTTP API and decodes the data of the answer.
func (s *Server) api(ctx context.Context, path string, data any) error {
	body, err := get(ctx, s.url+path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, &struct{ Data any }{data})
}

var client = http.Client{Timeout: 30 * time.Second}

// get returns the body of an answer. One that is not 200 is an error.
func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}

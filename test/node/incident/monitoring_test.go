//go:build linux && node

package incident

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/test/node/prometheus"
)

// shortestRange is the shortest range of the rules when time runs faster: it holds a few scrapes of what is scraped most seldom.
const shortestRange = 5 * time.Second

// The alerts of manifests/monitoring on the incident itself: those at 80 per cent fire before anybody is answered 400, and what the
// rules and the dashboard ask for is there. It runs alone, as it scrapes twice a second.
func TestMonitoring_WarnsBeforeTheFirst400(t *testing.T) {
	unopted := newPlace(t, "monitored-default", "")
	unopted.deploy(nil)
	opted := newPlace(t, "monitored-volume", "enforce")
	size := opted.applyPolicy(map[string]any{"sizing": map[string]any{"max": "128Mi"}})
	opted.deploy(nil)
	rejectOne(t, opted)
	haveOneViolate(t)
	failWebhooks(t)
	traffic := serveTraffic(t)
	server := startPrometheus(t, traffic.url)

	places := []watchedPlace{
		{outpost: unopted.running(), used: "shmkeeper:default_shm_used_bytes", alert: "DefaultDevShmAlmostFull", capacity: 64 * mib},
		{outpost: opted.running(), used: "shmkeeper:volume_used_bytes", alert: "ShmVolumeAlmostFull", capacity: int64(size.Limit)},
	}
	unanswered := ask(t, server)
	for i := range places {
		places[i].mustBeKnown(t, server)
		places[i].load = places[i].send(t)
		traffic.add(places[i].load)
	}
	for i := range places {
		places[i].mustWarnInTime(t, server)
	}
	// From outside it looks like this.
	for _, alert := range []string{"ForwardAuthBadRequests", "UptimeMonitorsDown"} {
		eventually(t, time.Minute, func(ctx context.Context) error { return firing(ctx, server, alert, "") })
	}
	for i := range places {
		places[i].load.stop()
		places[i].mustMeasureTheTruth(t, server)
	}
	for _, query := range unanswered() {
		t.Errorf("it never had a series: %s", query)
	}
	errs, err := server.RuleErrors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range errs {
		t.Errorf("rule %s: %s", name, text)
	}
}

// watchedPlace is an outpost whose /dev/shm Prometheus knows.
type watchedPlace struct {
	outpost
	used, alert string // the series of the bytes in use, and the alert at 80 per cent of the capacity in bytes
	capacity    int64
	load        *load
}

// series returns the one sample of a recorded series of the place's Pod.
func (p *watchedPlace) series(ctx context.Context, server *prometheus.Server, name string) (prometheus.Sample, error) {
	expr := fmt.Sprintf("%s{namespace=%q, pod=%q}", name, p.namespace, p.pod.Name)
	found, err := server.Query(ctx, expr)
	if err != nil {
		return prometheus.Sample{}, err
	}
	if len(found) != 1 {
		return prometheus.Sample{}, fmt.Errorf("%s has %d series; want one", expr, len(found))
	}
	return found[0], nil
}

// mustBeKnown waits until Prometheus has joined the mount with the Pod.
func (p *watchedPlace) mustBeKnown(t *testing.T, server *prometheus.Server) {
	t.Helper()
	eventually(t, 2*time.Minute, func(ctx context.Context) error {
		_, err := p.series(ctx, server, p.used)
		return err
	})
}

// firing returns an error unless an alert fires, for a namespace if one is given.
func firing(ctx context.Context, server *prometheus.Server, alert, namespace string) error {
	expr := fmt.Sprintf("ALERTS{alertname=%q, alertstate=\"firing\"}", alert)
	if namespace != "" {
		expr = fmt.Sprintf("ALERTS{alertname=%q, alertstate=\"firing\", namespace=%q}", alert, namespace)
	}
	found, err := server.Query(ctx, expr)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no series", expr)
	}
	return err
}

// mustWarnInTime waits for the alert, and for the first 400 after it.
func (p *watchedPlace) mustWarnInTime(t *testing.T, server *prometheus.Server) {
	t.Helper()
	eventually(t, 3*time.Minute, func(ctx context.Context) error { return firing(ctx, server, p.alert, p.namespace) })
	warned := p.load.virtual()
	if refused := p.load.refused.Load(); refused > 0 {
		t.Errorf("%s: %s fires after %s, when %d requests have been answered 400, the first after %s; want it to fire before",
			p.namespace, p.alert, span(warned), refused, span(p.load.fullAfter()))
	}
	eventually(t, 3*time.Minute, func(context.Context) error {
		if refused := p.load.refused.Load(); refused < 1000 {
			return fmt.Errorf("%d sessions were refused", refused)
		}
		return nil
	})
	t.Logf("%s: %s fires after %s, the first 400 comes after %s", p.namespace, p.alert, span(warned), span(p.load.fullAfter()))
}

// mustMeasureTheTruth compares what is recorded with what statfs says in the container, when nothing is written any more.
func (p *watchedPlace) mustMeasureTheTruth(t *testing.T, server *prometheus.Server) {
	t.Helper()
	eventually(t, time.Minute, func(ctx context.Context) error {
		v, err := p.volume(ctx)
		if err != nil {
			return err
		}
		used, err := p.series(ctx, server, p.used)
		if err != nil {
			return err
		}
		if int64(used.Value) != v.UsedBytes || v.UsedBytes != p.capacity {
			return fmt.Errorf("%s has %.0f bytes and statfs %d; want all of %d", p.used, used.Value, v.UsedBytes, p.capacity)
		}
		if p.used != "shmkeeper:default_shm_used_bytes" {
			return nil
		}
		files, err := p.series(ctx, server, "shmkeeper:default_shm_files")
		if err == nil && int64(files.Value) != v.InodesUsed-1 {
			err = fmt.Errorf("%.0f files are recorded, and statfs has %d inodes with the root", files.Value, v.InodesUsed)
		}
		return err
	})
}

// measuredByServer matches the metrics that the server has with --usage alone, and so not here.
var measuredByServer = regexp.MustCompile(`\bshmkeeper_volume_`)

// ask executes each expression of the rules and of the dashboard as they ship, without its comparisons, again and again until it
// returns series. The result is called at the end, and returns those that never did.
func ask(t *testing.T, server *prometheus.Server) (unanswered func() []string) {
	t.Helper()
	rules, dashboard := monitoringManifests(t)
	queries, err := prometheus.DashboardQueries(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			queries = append(queries, rule.Expr)
		}
	}
	var left []string
	for _, query := range queries {
		expr, err := prometheus.Unfiltered(query)
		if err != nil {
			t.Fatal(err)
		}
		// With its comparisons it may have no series, and must be executed all the same.
		if _, err := server.Query(t.Context(), query); err != nil {
			t.Error(err)
		}
		if alone := strings.HasPrefix(expr, "max by"); alone && measuredByServer.MatchString(expr) && !strings.Contains(expr, " or ") {
			continue
		}
		left = append(left, expr)
	}
	t.Logf("%d expressions are executed", len(left))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(time.Second); ctx.Err() == nil && len(left) > 0; {
			left = slices.DeleteFunc(left, func(expr string) bool {
				found, err := server.Query(ctx, expr)
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				return len(found) > 0
			})
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	t.Cleanup(cancel)
	return func() []string {
		cancel()
		wg.Wait()
		return left
	}
}

// repository returns a file of the repository.
func repository(t *testing.T, path ...string) []byte {
	t.Helper()
	root, err := envtest.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func monitoringManifests(t *testing.T) (rules prometheus.Rules, dashboard []byte) {
	t.Helper()
	rules, err := prometheus.ReadRules(repository(t, "manifests", "monitoring", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return rules, repository(t, "manifests", "monitoring", "dashboard.json")
}

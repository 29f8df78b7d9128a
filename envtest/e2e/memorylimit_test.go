package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest/install"
)

// attackFor returns how long large bodies are sent: a minute with SHMKEEPER_LONG.
func attackFor() time.Duration {
	if longRestarts() {
		return time.Minute
	}
	return 10 * time.Second
}

// Under its shipped memory limit a server answers ordinary requests while four clients at a time send it
// bodies of 5.7 and 2.7 MB, and another sends such Pods through the API server. Nothing kills it, and
// memory is given back, which takes minutes: tests that do not need the shared cluster run meanwhile.
func TestServer_LargeBodiesUnderMemoryLimit(t *testing.T) {
	t.Parallel()
	limit := shippedLimit(t)
	group := newMemoryGroup(t, limit)
	replica, err := install.StartReplica(t.Context(), shared.cp, group.run(t, shared.program, limit), t.TempDir(), "limited", sharedFlags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Kill() })
	// One that is sent nothing, as other tests change the cluster meanwhile, and with it what a replica keeps.
	spared, err := install.StartReplica(t.Context(), shared.cp, new(memoryGroup).run(t, shared.program, limit), t.TempDir(), "spared", sharedFlags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = spared.Kill() })
	shared.policies(t, newPolicy("fixed", "{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 128Mi}}}"))
	ns := shared.namespace(t, "enforce", nil)
	shared.serve(t, replica)
	waitSized(t, ns)
	before := group.used(t, replica)

	ctx, cancel := context.WithTimeout(t.Context(), attackFor())
	defer cancel()
	var clients sync.WaitGroup
	var sent, tolerated, ordinary atomic.Int64
	for _, body := range largeReviews(t, ns) {
		clients.Go(func() { sent.Add(sendReviews(ctx, t, replica.Webhooks, body)) })
	}
	clients.Go(func() { // decoded by the API server, such a Pod takes 220 MB there: one at a time
		large := []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"large","labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"web"}],"tolerations":[` +
			strings.Repeat("{},", 900_000) + `{}]}}`)
		for ctx.Err() == nil {
			// Validation rejects it after the mutating webhooks were asked.
			_ = shared.kube.CoreV1().RESTClient().Post().Namespace(ns).Resource("pods").VersionedParams(&metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}, metav1.ParameterCodec).
				SetHeader("Content-Type", "application/json").Body(large).Do(ctx).Error()
			tolerated.Add(1)
		}
	})
	slowest := time.Duration(0)
	for ctx.Err() == nil {
		start := time.Now()
		created, err := shared.kube.CoreV1().Pods(ns).Create(t.Context(), webPod("ordinary"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil || !hasVolume(created) {
			t.Errorf("an ordinary Pod meanwhile: %v", err)
		}
		slowest = max(slowest, time.Since(start))
		ordinary.Add(1)
	}
	clients.Wait()
	t.Logf("%d large reviews from outside, %d large Pods through the API server, %d ordinary Pods, the slowest in %s; %d MiB before, %d MiB at most",
		sent.Load(), tolerated.Load(), ordinary.Load(), slowest, before>>20, group.peak(t, replica)>>20)
	if sent.Load() == 0 || tolerated.Load() == 0 || ordinary.Load() == 0 {
		t.Error("something was not sent, so nothing is shown")
	}
	if ready, answer := replica.Ready(t.Context()); !ready {
		t.Errorf("the server is not ready: %s", answer)
	}
	if peak := group.peak(t, replica); peak >= limit {
		t.Errorf("%d MiB were used, of %d MiB", peak>>20, limit>>20)
	}
	group.mustGiveBack(t, replica, spared)
}

// mustGiveBack waits until a replica uses hardly more than one that was sent nothing. The collector runs every two minutes at least,
// and gives memory back after the second run.
func (g *memoryGroup) mustGiveBack(t *testing.T, replica, spared *install.Replica) {
	t.Helper()
	if err := poll(t.Context(), 8*time.Minute, func() error {
		if now, other := g.used(t, replica), g.used(t, spared); now > other+32<<20 {
			return fmt.Errorf("%d MiB are used, %d MiB by a replica that was sent nothing", now>>20, other>>20)
		}
		return nil
	}); err != nil {
		t.Errorf("memory is not given back: %v", err)
	}
}

// shippedLimit returns the memory limit of the Deployment in bytes.
func shippedLimit(t *testing.T) int64 {
	t.Helper()
	var deployment appsv1.Deployment
	if err := shared.client.Get(t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: "shmkeeper"}, &deployment); err != nil {
		t.Fatal(err)
	}
	limit := deployment.Spec.Template.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory]
	if limit.IsZero() {
		t.Fatal("the Deployment has no memory limit")
	}
	return limit.Value()
}

// largeReviews returns what four clients send.
func largeReviews(t *testing.T, namespace string) [][]byte {
	t.Helper()
	review := func(kind, spec string) []byte {
		object := `{"metadata":{"labels":{"app":"web"}},"spec":{` + spec + `}}`
		if kind == "Deployment" {
			object = `{"spec":{"template":` + object + `}}`
		}
		group := map[string]string{"Deployment": "apps"}[kind]
		return []byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"a","kind":{"group":"` + group +
			`","version":"v1","kind":"` + kind + `"},"namespace":"` + namespace + `","operation":"CREATE","object":` + object + `}}`)
	}
	out := [][]byte{
		review("Pod", `"containers":[`+strings.Repeat("{},", 1_900_000)+`{}]`),
		review("Deployment", `"containers":[{"name":"web"}],"tolerations":[`+strings.Repeat("{},", 1_900_000)+`{}]`),
		review("Pod", `"containers":[{"name":"web"}],"tolerations":[`+strings.Repeat("{},", 900_000)+`{}]`),
		// What no API server writes: left to the full decoder if it were small.
		bytes.Replace(review("Pod", `"containers":[{"env":[`+strings.Repeat("{},", 900_000)+`{}]}]`), []byte(`"kind":"AdmissionReview"`), []byte(`"kind":"A","kind":"AdmissionReview"`), 1),
	}
	for i, body := range out {
		if least := []int{5_700_000, 5_700_000, 2_700_000, 2_700_000}[i]; len(body) < least {
			t.Fatalf("a body has %d bytes, want at least %d", len(body), least)
		}
	}
	return out
}

// sendReviews sends a body to each webhook in turn until ctx is done, and returns how often.
func sendReviews(ctx context.Context, t *testing.T, address string, body []byte) (n int64) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // an attacker need not verify
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for paths := []string{"/mutate-pods", "/validate-pods", "/report-pods", "/validate-templates", "/validate-policies"}; ctx.Err() == nil; {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+paths[n%int64(len(paths))], bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return n
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("a large review: %v", err)
			}
			return n
		}
		text, _ := io.ReadAll(response.Body) // what was cut off is not a review
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK && !json.Valid(text) || response.StatusCode >= 500 {
			t.Errorf("answer %s: %.300s", response.Status, text)
		}
		n++
	}
	return n
}

// memoryGroup is a cgroup with a memory limit; without a folder, which only root can make, it measures what
// the process has resident.
type memoryGroup struct {
	folder               string
	limit, usage, peaked string // files
}

// newMemoryGroup makes a cgroup, of version 1 or 2, for the time of the test.
func newMemoryGroup(t *testing.T, limit int64) *memoryGroup {
	t.Helper()
	for _, g := range []memoryGroup{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.max_usage_in_bytes"},
		{"/sys/fs/cgroup", "memory.max", "memory.current", "memory.peak"},
	} {
		g.folder = filepath.Join(g.folder, fmt.Sprintf("shmkeeper-%d", os.Getpid()))
		if err := os.Mkdir(g.folder, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(g.folder) })
		if err := os.WriteFile(filepath.Join(g.folder, g.limit), []byte(strconv.FormatInt(limit, 10)), 0o600); err == nil {
			return &g
		}
	}
	t.Log("a cgroup with a memory limit cannot be made here: the resident memory is measured instead")
	return &memoryGroup{}
}

// run returns a program that runs another one in the cgroup, with the GOMEMLIMIT that the Deployment gives it.
func (g *memoryGroup) run(t *testing.T, program string, limit int64) string {
	t.Helper()
	text := fmt.Sprintf("#!/bin/sh\nset -e\nexport GOMEMLIMIT=%d000000\n", limit>>20)
	if g.folder != "" {
		text += fmt.Sprintf("echo $$ >%s/cgroup.procs\n", g.folder)
	}
	text += fmt.Sprintf("exec %s \"$@\"\n", program)
	script := filepath.Join(t.TempDir(), "limited")
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return script
}

// used returns the resident memory of a replica, and peak the most that its cgroup or it ever used, in bytes.
func (g *memoryGroup) used(t *testing.T, r *install.Replica) int64 {
	t.Helper()
	return processMemory(t, r.Pid(), "VmRSS")
}

func (g *memoryGroup) peak(t *testing.T, r *install.Replica) int64 {
	t.Helper()
	if g.folder == "" {
		return processMemory(t, r.Pid(), "VmHWM")
	}
	text, err := os.ReadFile(filepath.Join(g.folder, g.peaked))
	if errors.Is(err, fs.ErrNotExist) { // a kernel before 5.19
		return processMemory(t, r.Pid(), "VmHWM")
	}
	n, parseErr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err := errors.Join(err, parseErr); err != nil {
		t.Fatal(err)
	}
	return n
}

// processMemory returns a figure of /proc/PID/status in bytes.
func processMemory(t *testing.T, pid int, field string) int64 {
	t.Helper()
	return int64(statusMiB(t, pid, field) * (1 << 20))
}

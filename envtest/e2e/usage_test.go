package e2e

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// outposts is a policy whose declared rate is a tenth of what the Pods of these tests write.
func outposts() v1alpha1.SharedMemoryPolicy {
	return newPolicy("outposts", `
match: [{podSelector: {matchLabels: {app: outpost}}}]
sizing: {files: {createdPerMinute: "2", retention: 24h, sweepInterval: 5m, fileSize: 1500, source: Observed}}
`)
}

// outpost returns a Pod of a ReplicaSet of the Deployment "outpost". Its container has 1Gi of memory.
func outpost(namespace, name string, options ...policytest.ContainerOption) *corev1.Pod {
	pod := policytest.NewPod(name, policytest.Namespace(namespace),
		policytest.Labels(map[string]string{"app": "outpost", appsv1.DefaultDeploymentUniqueLabelKey: "5d4f"}),
		policytest.WithContainer("proxy", "registry.example.org/outpost:1", append(options, policytest.MemoryLimit("1Gi"))...))
	pod.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "outpost-5d4f", UID: "5f3a9c6d-0000-4000-8000-000000000002", Controller: new(true)},
	}
	return pod
}

// run creates a Pod with a Memory emptyDir of 64Mi on the node of a kubelet, which says from then on that it runs
// since six hours and fills by so many files a minute.
func (a *auditedCluster) run(t *testing.T, k *kubelet, namespace, name string, perMinute float64) *writingPod {
	t.Helper()
	pod := policytest.With(outpost(namespace, name, policytest.Mount("shm", "/dev/shm")), policytest.WithMemoryVolume("shm", "64Mi"))
	pod.Spec.NodeName = k.name
	if err := a.client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	started := time.Now().Add(-6 * time.Hour).Truncate(time.Second)
	pod.Status.Phase, pod.Status.StartTime = corev1.PodRunning, &metav1.Time{Time: started}
	if err := a.client.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	w := &writingPod{pod: pod, container: "proxy", perMinute: perMinute, capacity: 64 << 20, started: started, step: 15 * time.Minute, chance: 2}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pods = append(k.pods, w)
	return w
}

// installUsage applies an overlay of the default with the component manifests/usage, as docs/explanation/usage.md has
// it, and returns what the Deployment then says to --usage.
func (a *auditedCluster) installUsage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	manifests, err := filepath.Rel(dir, filepath.Join(mustRoot(t), "manifests"))
	if err != nil {
		t.Fatal(err)
	}
	overlay := fmt.Sprintf("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- %s/default\ncomponents:\n- %[1]s/usage\n", manifests)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o600); err != nil {
		t.Fatal(err)
	}
	a.apply(t, "-k", dir)
	for _, e := range a.deployment(t, install.Namespace, "shmkeeper").Spec.Template.Spec.Containers[0].Env {
		if e.Name == "SHMKEEPER_USAGE" {
			return e.Value
		}
	}
	t.Fatal("the Deployment has no variable SHMKEEPER_USAGE")
	return ""
}

// startMeasuring starts a server with a token of its service account, as a Pod has one, and returns who
// scrapes it with the given token.
func (a *auditedCluster) startMeasuring(t *testing.T, args ...string) scraper {
	t.Helper()
	request, err := a.kube.CoreV1().ServiceAccounts(install.Namespace).CreateToken(t.Context(), install.ServiceAccount, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := &rest.Config{Host: a.cp.Config.Host, BearerToken: request.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: a.cp.Config.CAData}}
	address := freeAddress(t)
	replica, err := install.Launch(config, a.program, a.dir, "usage", append(args, "--metrics-bind-address="+address)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Kill() })
	if err := replica.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	install.ServeReplicas(a.cp, replica)
	if err := a.waitTrusted(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a.scraperOf(t, replica, address)
}

// series returns the series of the metrics whose names begin so: the values by name and labels.
func (s scraper) series(t *testing.T, token, prefix string) map[string]float64 {
	t.Helper()
	code, body := s.scrape(t, token)
	if code != 200 {
		t.Fatalf("the metrics: %d %s", code, body)
	}
	out := map[string]float64{}
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		cut := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[cut:]), 64)
		if err != nil {
			t.Fatal(err)
		}
		out[line[:cut]] = value
	}
	return out
}

// volumeMetrics are those of each volume.
var volumeMetrics = []string{
	"shmkeeper_volume_capacity_bytes", "shmkeeper_volume_fill_rate_bytes_per_second", "shmkeeper_volume_inodes", "shmkeeper_volume_inodes_used",
	"shmkeeper_volume_oom_before_full", "shmkeeper_volume_oom_distance_bytes", "shmkeeper_volume_until_full_seconds", "shmkeeper_volume_used_bytes",
}

// mustMeasure waits until there are series of these Pods' volumes and no others, and returns them.
func (s scraper) mustMeasure(t *testing.T, token, namespace string, pods ...string) map[string]float64 {
	t.Helper()
	var want []string
	for _, pod := range pods {
		for _, name := range volumeMetrics {
			want = append(want, volumeSeries(name, namespace, pod))
		}
	}
	slices.Sort(want)
	var got map[string]float64
	if err := poll(t.Context(), 3*time.Minute, func() error {
		got = s.series(t, token, "shmkeeper_volume_")
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
			return fmt.Errorf("series of volumes (-want +got):\n%s", diff)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func volumeSeries(name, namespace, pod string) string {
	return fmt.Sprintf(`%s{namespace=%q,pod=%q,policy="outposts",volume="shm"}`, name, namespace, pod)
}

// The server measures volumes as it is installed: it asks the kubelets of each release, learns what is written, and gives a new
// Pod of the workload the size of that. Nodes that hang, lie and vanish hurt nobody else.
func TestUsage_FromTheKubeletsToANewPod(t *testing.T) {
	t.Parallel()
	a := newAuditedCluster(t)
	a.apply(t, "-k", mustRoot(t)+"/manifests/default")
	before := a.rights(t)
	enabled := a.installUsage(t)
	a.checkUsageRights(t, before)

	const ns, perMinute = "outposts", 20
	if err := a.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{v1alpha1.LabelMode: "audit"}}}); err != nil {
		t.Fatal(err)
	}
	var pods []string
	for i, release := range []string{"1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"} {
		name := fmt.Sprintf("outpost-%d", i)
		a.run(t, a.kubelet(t, "node-"+release, release), ns, name, perMinute)
		pods = append(pods, name)
	}
	for name, answers := range map[string]func(*kubelet){
		"garbage": func(k *kubelet) { k.answerBy(garbage) },
		"closed":  func(k *kubelet) { k.server.Close() },
	} {
		k := a.kubelet(t, "node-"+name, "1.37")
		a.run(t, k, ns, name, perMinute)
		answers(k)
	}

	scraper := a.startMeasuring(t, "--usage="+enabled, "--usage-interval=1s", "--audit-interval=1s")
	a.policies(t, outposts())
	a.bindCluster(t, "shmkeeper-metrics-reader", ns, "prometheus")
	token := a.token(t, ns, "prometheus")
	declared := a.sizeOfANewPod(t, ns)
	if want := "64Mi"; declared != want { // 2 a minute for a day need 12 MiB
		t.Errorf("before anything was learned a new Pod gets %s, want %s", declared, want)
	}
	series := scraper.mustMeasure(t, token, ns, pods...)
	sources := scraper.series(t, token, "shmkeeper_usage_")
	if sources[`shmkeeper_usage_sources{state="answered"}`] != 8 || sources[`shmkeeper_usage_sources{state="failed"}`] != 2 ||
		sources[`shmkeeper_usage_volumes{state="measured"}`] != 8 || sources[`shmkeeper_usage_volumes{state="silent"}`] != 2 {
		t.Errorf("the sources: %v", sources)
	}
	a.checkForecast(t, series, ns, pods, perMinute)
	a.checkLearned(t, ns, perMinute)
	a.scanned(t)
	a.mustFillTable(t, 1)
	a.checkBadNodes(t, scraper, token, ns, pods)
}

// checkForecast compares what is said of each volume with what its Pod writes.
func (a *auditedCluster) checkForecast(t *testing.T, series map[string]float64, ns string, pods []string, perMinute float64) {
	t.Helper()
	for _, pod := range pods {
		value := func(name string) float64 { return series[volumeSeries(name, ns, pod)] }
		used := perMinute * 6 * 60 * 4096
		if math.Abs(value("shmkeeper_volume_used_bytes")-used) > used/20 || value("shmkeeper_volume_capacity_bytes") != 64<<20 {
			t.Errorf("%s: %.0f of %.0f bytes are used, want about %.0f of 64Mi", pod, value("shmkeeper_volume_used_bytes"), value("shmkeeper_volume_capacity_bytes"), used)
		}
		until := (64<<20 - value("shmkeeper_volume_used_bytes")) / (perMinute * 4096 / 60)
		if math.Abs(value("shmkeeper_volume_until_full_seconds")-until) > 0.15*until {
			t.Errorf("%s: full in %.0f s, want %.0f within 15 %%", pod, value("shmkeeper_volume_until_full_seconds"), until)
		}
		if value("shmkeeper_volume_oom_before_full") != 0 || value("shmkeeper_volume_oom_distance_bytes") <= 0 {
			t.Errorf("%s: the distance to the OOM kill is %.0f", pod, value("shmkeeper_volume_oom_distance_bytes"))
		}
	}
}

// sizeOfANewPod returns the sizeLimit that a Pod of the workload gets that is created now, in mode enforce.
func (a *auditedCluster) sizeOfANewPod(t *testing.T, ns string) string {
	t.Helper()
	a.label(t, ns, `"enforce"`)
	defer a.label(t, ns, `"audit"`)
	var size string
	eventually(t, func() error {
		pod := outpost(ns, "new")
		if err := a.client.Create(t.Context(), pod, client.DryRunAll); err != nil {
			return err
		}
		if size = sizeAtShm(pod, &pod.Spec.Containers[0]); size == "nothing is mounted" {
			return fmt.Errorf("the Pod is not changed")
		}
		return nil
	})
	return size
}

// checkLearned waits until the policy's status has what the Pods write, and compares the size of a new Pod with the one that
// the status has and with what the figures need.
func (a *auditedCluster) checkLearned(t *testing.T, ns string, perMinute float64) {
	t.Helper()
	var o v1alpha1.Observation
	if err := poll(t.Context(), 2*time.Minute, func() error {
		var p v1alpha1.SharedMemoryPolicy
		if err := a.client.Get(t.Context(), client.ObjectKey{Name: "outposts"}, &p); err != nil {
			return err
		}
		if len(p.Status.Observed) != 1 {
			return fmt.Errorf("the status has %d observations, want one of the Deployment", len(p.Status.Observed))
		}
		o = p.Status.Observed[0]
		if rate, err := strconv.ParseFloat(o.CreatedPerMinute, 64); err != nil || math.Abs(rate-perMinute) > perMinute/10 {
			return fmt.Errorf("the rate is %q, want %.0f within a tenth", o.CreatedPerMinute, perMinute)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if o.Namespace != ns || o.Workload != "Deployment/outpost" || o.SizeLimit == nil || o.Recommendation != v1alpha1.RecommendTooSmall || o.LastObserved == nil {
		t.Fatalf("the observation is %+v, want TooSmall, of Deployment/outpost", o)
	}
	// 20 files a minute, of a page each, for 24 h and 5 min: 112.9 MiB on average, and 25 % of headroom above what chance needs.
	least, most := resource.MustParse("141Mi"), resource.MustParse("160Mi")
	if o.SizeLimit.Cmp(least) < 0 || o.SizeLimit.Cmp(most) > 0 {
		t.Errorf("the size of what was learned is %s, want it from %s to %s", o.SizeLimit, &least, &most)
	}
	eventually(t, func() error {
		if size := a.sizeOfANewPod(t, ns); size != o.SizeLimit.String() {
			return fmt.Errorf("a new Pod gets %s, want the %s of the status", size, o.SizeLimit)
		}
		return nil
	})
	t.Logf("status.observed: %s a minute (%s), files of %s, peak %s, sizeLimit %s, %s", o.CreatedPerMinute, o.CreatedPerMinuteInterval, o.FileSize, o.Peak, o.SizeLimit, o.Recommendation)
}

// checkBadNodes has a node hang and another vanish, while the others are measured as before.
func (a *auditedCluster) checkBadNodes(t *testing.T, s scraper, token, ns string, pods []string) {
	t.Helper()
	slow := a.kubelet(t, "node-hangs", "1.37")
	slow.answerBy(hangs)
	a.run(t, slow, ns, "hangs", 20)
	// A node vanishes with its Pod.
	if err := a.client.Delete(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1.30"}}); err != nil {
		t.Fatal(err)
	}
	if err := a.kube.CoreV1().Pods(ns).Delete(t.Context(), pods[0], *metav1.NewDeleteOptions(0)); err != nil {
		t.Fatal(err)
	}
	s.mustMeasure(t, token, ns, pods[1:]...)
	if err := poll(t.Context(), 2*time.Minute, func() error {
		if slow.requests() < 2 {
			return fmt.Errorf("the node that hangs was asked %d times", slow.requests())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	last := s.series(t, token, "shmkeeper_usage_last_round")
	eventually(t, func() error {
		if now := s.series(t, token, "shmkeeper_usage_last_round"); maps.Equal(now, last) {
			return fmt.Errorf("there was no round after %v", last)
		}
		return nil
	})
	if got := s.series(t, token, "shmkeeper_usage_sources"); got[`shmkeeper_usage_sources{state="answered"}`] != 7 || got[`shmkeeper_usage_sources{state="failed"}`] != 3 {
		t.Errorf("the sources: %v, want 7 that answer and 3 that fail", got)
	}
	text, err := os.ReadFile(s.replica.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"node-garbage", "node-closed", "node-hangs"} {
		line := regexp.MustCompile(`(?m)^.*"volumes cannot be measured".*"of":"` + node + `".*$`)
		if said := line.FindAllString(string(text), -1); len(said) != 1 {
			t.Errorf("the log has %d lines about %s, want one:\n%s", len(said), node, strings.Join(said, "\n"))
		}
	}
}

// rights returns all that the server's account may do, as kubectl lists it.
func (a *auditedCluster) rights(t *testing.T) []string {
	t.Helper()
	var out []string
	eventually(t, func() error {
		text, err := a.cp.Kubectl(t.Context(), "auth", "can-i", "--list", "--no-headers", "--as=system:serviceaccount:"+install.Namespace+":"+install.ServiceAccount)
		if err != nil || !strings.Contains(text, "sharedmemorypolicies.shmkeeper.dev") {
			return fmt.Errorf("%w: %s", err, text)
		}
		out = nil
		for line := range strings.Lines(text) {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
		slices.Sort(out)
		return nil
	})
	return out
}

// checkUsageRights compares what the account may do with what it could before manifests/usage was applied: to look at nodes and
// their figures comes, and nothing else.
func (a *auditedCluster) checkUsageRights(t *testing.T, before []string) {
	t.Helper()
	eventually(t, func() error {
		var more []string
		for _, line := range a.rights(t) {
			if !slices.Contains(before, line) {
				more = append(more, line)
			}
		}
		if diff := cmp.Diff([]string{"nodes [] [] [list]", "nodes/stats [] [] [get]"}, more); diff != "" {
			return fmt.Errorf("rights that manifests/usage adds (-want +got):\n%s", diff)
		}
		return nil
	})
	a.checkRights(t, map[string]string{
		"list nodes":                                       "yes",
		"get nodes --subresource=stats":                    "yes",
		"list pods --all-namespaces":                       "yes",
		"get nodes":                                        "no",
		"watch nodes":                                      "no",
		"get nodes --subresource=proxy":                    "no",
		"create nodes --subresource=proxy":                 "no",
		"get nodes --subresource=log":                      "no",
		"get nodes --subresource=metrics":                  "no",
		"get pods --subresource=exec":                      "no",
		"create pods --subresource=exec":                   "no",
		"get pods --subresource=log":                       "no",
		"create pods --subresource=ephemeralcontainers":    "no",
		"get secrets --all-namespaces":                     "no",
		"list secrets -n " + install.Namespace:             "no",
		"get secrets/another -n " + install.Namespace:      "no",
		"get secrets/shmkeeper-ca -n " + install.Namespace: "yes",
		"create serviceaccounts --subresource=token":       "no",
	})
}

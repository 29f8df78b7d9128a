//go:build cost

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const (
	costNodes = 100
	costPods  = 50 // of each node
	// costPages is in how many pages these Pods are listed.
	costPages = costNodes * costPods / 100
	// roundsOfAListing is how often volumes are measured for each listing of Pods, at the default interval.
	roundsOfAListing = 5
)

// What measuring 5,000 volumes on 100 nodes costs, each in a Pod of its own, once as many samples are kept as ever are. Rounds
// follow each other as fast as they can. Pods are listed once a minute then, and at the default interval in every fifth round: a
// listing and a round are told apart by a second window, in which the kubelets take their time and listings are more of the whole.
func TestUsage_Cost(t *testing.T) {
	// The limit of the manifests, as their Deployment gives it to the program.
	t.Setenv("GOMEMLIMIT", "256000000")
	a := newAuditedCluster(t)
	enabled := a.installUsage(t)
	nodes := a.plantNodes(t)
	const pods = costNodes * costPods

	idle := a.startMeasuring(t, "--audit-interval=0", "--usage=false").replica
	a.policies(t, outposts())
	begun, before := time.Now(), cpuSeconds(t, idle.Pid())
	settle(t, idle.Pid())
	idleShare, idleMiB := (cpuSeconds(t, idle.Pid())-before)/time.Since(begun).Seconds(), statusMiB(t, idle.Pid(), "VmRSS")
	if err := idle.Stop(); err != nil {
		t.Fatal(err)
	}

	s := a.startMeasuring(t, "--audit-interval=0", "--usage="+enabled, "--usage-interval=1s", fmt.Sprintf("--usage-max-volumes=%d", pods))
	a.bindCluster(t, "shmkeeper-metrics-reader", "fleet", "prometheus")
	token := a.token(t, "fleet", "prometheus")
	if err := poll(t.Context(), 5*time.Minute, func() error {
		if got := s.series(t, token, "shmkeeper_usage_volumes")[`shmkeeper_usage_volumes{state="measured"}`]; got != pods {
			return fmt.Errorf("%.0f volumes are measured, want %d", got, pods)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := len(s.series(t, token, "shmkeeper_volume_")); n != pods*len(volumeMetrics) {
		t.Errorf("there are %d series of %d volumes, want %d", n, pods, pods*len(volumeMetrics))
	}
	m := costMeter{auditedCluster: a, pid: s.replica.Pid(), node: nodes[0], idleShare: idleShare}
	m.window(t, usage.DefaultPoints-60)
	fast := m.window(t, 60)
	for _, k := range nodes {
		k.delayBy(2 * time.Second)
	}
	slow := m.window(t, 12)
	listing := (slow.cpu*fast.rounds - fast.cpu*slow.rounds) / (slow.listings*fast.rounds - fast.listings*slow.rounds)
	round := (fast.cpu - listing*fast.listings) / fast.rounds
	share := (round + listing/roundsOfAListing) / time.Minute.Seconds()
	t.Logf("%d volumes on %d nodes: %.1f MiB idle, %.1f MiB at most, of which %.1f its own; %.2f s of a core for a round, %.2f s for a listing: %.2f %% of a core at an interval of a minute (%+v, %+v; idle: %.2f %%)",
		pods, costNodes, idleMiB, m.peak, m.own, round, listing, 100*share, fast, slow, 100*idleShare)
	before = cpuSeconds(t, m.pid)
	for range 5 {
		s.scrape(t, token)
	}
	t.Logf("a scrape of its metrics: %.2f s of a core; %.1f MiB resident then", (cpuSeconds(t, m.pid)-before)/5, statusMiB(t, m.pid, "VmRSS"))
	if m.own > 256 {
		t.Errorf("%.1f MiB are more than the 256Mi that the manifests give the server", m.own)
	}
	if share > 0.05 {
		t.Errorf("measuring takes %.1f %% of a core, want at most 5", 100*share)
	}
}

// costMeter measures a server over windows of rounds.
type costMeter struct {
	*auditedCluster
	pid       int
	node      *kubelet // one that is asked in each round
	idleShare float64  // of a core, that the server takes anyway
	peak, own float64  // the most MiB that were resident, with and without the pages of files, which the kernel can drop
}

// costWindow is what some rounds took: seconds of a core above those of an idle server, and listings of Pods.
type costWindow struct{ rounds, listings, cpu, seconds float64 }

// window waits for so many rounds.
func (m *costMeter) window(t *testing.T, rounds int) costWindow {
	t.Helper()
	begun, cpu, lists, first := time.Now(), cpuSeconds(t, m.pid), m.podLists(t), m.node.requests()
	n := 0
	if err := poll(t.Context(), 20*time.Minute, func() error {
		m.peak, m.own = max(m.peak, statusMiB(t, m.pid, "VmRSS")), max(m.own, statusMiB(t, m.pid, "RssAnon"))
		if n = m.node.requests() - first; n < rounds {
			return fmt.Errorf("there were %d rounds, want %d", n, rounds)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	seconds := time.Since(begun).Seconds()
	return costWindow{float64(n), (m.podLists(t) - lists) / costPages, cpuSeconds(t, m.pid) - cpu - m.idleShare*seconds, seconds}
}

// podLists returns how many pages of Pods the API server has listed for anybody.
func (m *costMeter) podLists(t *testing.T) float64 {
	t.Helper()
	text, err := m.rest.Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "apiserver_request_total{") && strings.Contains(line, `resource="pods"`) && strings.Contains(line, `verb="LIST"`) {
			var n float64
			if _, err := fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):], &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// plantNodes creates the nodes, their kubelets and the Pods, ten of which are one workload, and returns the kubelets.
func (a *auditedCluster) plantNodes(t *testing.T) []*kubelet {
	t.Helper()
	if err := a.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "fleet", Labels: map[string]string{v1alpha1.LabelMode: "audit"}}}); err != nil {
		t.Fatal(err)
	}
	var nodes []*kubelet
	var pods []*corev1.Pod
	started := time.Now().Add(-6 * time.Hour)
	for i := range costNodes {
		k := a.kubelet(t, fmt.Sprintf("node-%03d", i), "1.37")
		for j := range costPods {
			pod := policytest.With(outpost("fleet", fmt.Sprintf("outpost-%03d-%02d", i, j), policytest.Mount("shm", "/dev/shm")), policytest.WithMemoryVolume("shm", "64Mi"))
			pod.Spec.NodeName = k.name
			pod.OwnerReferences[0].Name = fmt.Sprintf("outpost%d-5d4f", (i*costPods+j)%500)
			pods = append(pods, pod)
			k.pods = append(k.pods, &writingPod{pod: pod, container: "proxy", perMinute: 20, capacity: 64 << 20, started: started, step: 24 * time.Hour})
		}
		nodes = append(nodes, k)
	}
	begun := time.Now()
	inParallel(t, len(pods), func(i int) error {
		if err := a.client.Create(t.Context(), pods[i]); err != nil {
			return err
		}
		pods[i].Status.Phase, pods[i].Status.StartTime = corev1.PodRunning, &metav1.Time{Time: started}
		return a.client.Status().Update(t.Context(), pods[i])
	})
	t.Logf("%d Pods on %d nodes created in %s", len(pods), costNodes, time.Since(begun).Round(time.Second))
	return nodes
}

// delayBy has the kubelet answer a time later from now on.
func (k *kubelet) delayBy(d time.Duration) {
	k.answerBy(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			k.serveStats(w, r)
		case <-r.Context().Done():
		}
	})
}

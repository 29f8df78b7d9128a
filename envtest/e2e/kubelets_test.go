package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// kubelet is a server at the port of a node's kubelet, with a certificate of the cluster's authority. As a
// kubelet does, it asks the API server whose token it is and whether they may get nodes/stats; what
// it says is what the kubelet of a release says on /stats/summary, about other Pods.
type kubelet struct {
	name, address string
	kube          kubernetes.Interface
	recorded      map[string]any
	server        *httptest.Server

	mu    sync.Mutex
	pods  []*writingPod
	asked int
	// answers replaces the answer; nil for that of serveStats.
	answers http.HandlerFunc
	allowed map[string]bool // by token
}

// writingPod is a Pod whose container creates files of a page at a steady pace, and never deletes one.
type writingPod struct {
	pod       *corev1.Pod
	container string
	perMinute float64
	capacity  int64
	// started is when the volume was empty. Each time that it is asked the kubelet has looked a step
	// later than the time before, until that is now.
	started time.Time
	step    time.Duration
	looks   int
	// chance is the standard deviation of how many files there are.
	chance float64
}

// at returns when the Pod's volume is looked at next, and how many files are there then.
func (w *writingPod) at(now time.Time) (at time.Time, files int64) {
	w.looks++
	if at = w.started.Add(time.Duration(w.looks) * w.step); at.After(now) {
		at = now
	}
	expected := at.Sub(w.started).Minutes() * w.perMinute
	// Each file comes on its own: what came until a moment is the same whenever it is asked for.
	random := rand.New(rand.NewPCG(uint64(at.Unix()), 12))
	return at, int64(max(0, expected+random.NormFloat64()*w.chance))
}

// hostAddress returns an address of this machine that is not the loopback's: a node that says that it is
// there is not believed.
func hostAddress(t *testing.T) net.IP {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP
		}
	}
	t.Skip("this machine has no address but the loopback's, at which no kubelet is asked")
	return nil
}

// kubelet starts the kubelet of a node, and creates the Node, which is ready.
func (a *auditedCluster) kubelet(t *testing.T, name, release string) *kubelet {
	t.Helper()
	ip := hostAddress(t)
	certificate, err := a.cp.KubeletCertificate(name, ip)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(mustRoot(t) + "/internal/usage/testdata/summary-" + release + ".json")
	if err != nil {
		t.Fatal(err)
	}
	k := &kubelet{name: name, address: ip.String(), kube: a.kube, allowed: map[string]bool{}}
	if err := json.Unmarshal(text, &k.recorded); err != nil {
		t.Fatal(err)
	}
	k.server = httptest.NewUnstartedServer(k)
	listener, err := net.Listen("tcp", net.JoinHostPort(k.address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	_ = k.server.Listener.Close() // it listens at the loopback address
	k.server.Listener = listener
	k.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	k.server.StartTLS()
	t.Cleanup(k.server.Close)

	tcp, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("a TCP listener has the address %v", listener.Addr())
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: k.address}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(tcp.Port)
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if err := a.client.Create(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	return k
}

// answerBy replaces what the kubelet says.
func (k *kubelet) answerBy(h http.HandlerFunc) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers = h
}

// requests returns how often the kubelet was asked.
func (k *kubelet) requests() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked
}

// ServeHTTP implements http.Handler.
func (k *kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	k.asked++
	answers := k.answers
	k.mu.Unlock()
	if answers != nil {
		answers(w, r)
		return
	}
	k.serveStats(w, r)
}

// serveStats answers as the kubelet of the release does.
func (k *kubelet) serveStats(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch may, err := k.mayGetStats(r, token); {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case !may:
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet || r.URL.Path != "/stats/summary" {
		http.NotFound(w, r)
		return
	}
	text, err := k.summary()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // a client that has gone needs no answer
}

// mayGetStats reports whether the API server says that the owner of a token may get the node's nodes/stats. A kubelet
// remembers the answer for minutes.
func (k *kubelet) mayGetStats(r *http.Request, token string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.allowed[token] {
		return true, nil
	}
	who, err := k.kube.AuthenticationV1().TokenReviews().Create(r.Context(), &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil || !who.Status.Authenticated {
		return false, err
	}
	may, err := k.kube.AuthorizationV1().SubjectAccessReviews().Create(r.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: who.Status.User.Username, UID: who.Status.User.UID, Groups: who.Status.User.Groups,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Version: "v1", Resource: "nodes", Subresource: "stats", Name: k.name},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	k.allowed[token] = may.Status.Allowed
	return may.Status.Allowed, nil
}

// summary returns what the kubelet of the release says, about the Pods of this node.
func (k *kubelet) summary() ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var template struct {
		Pods []json.RawMessage `json:"pods"`
	}
	text, err := json.Marshal(k.recorded)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &template); err != nil || len(template.Pods) == 0 {
		return nil, fmt.Errorf("the recorded answer has no Pod: %w", err)
	}
	pods := make([]any, 0, len(k.pods))
	for _, w := range k.pods {
		var pod map[string]any
		if err := json.Unmarshal(template.Pods[0], &pod); err != nil {
			return nil, err
		}
		if err := w.fill(pod, time.Now()); err != nil {
			return nil, err
		}
		pods = append(pods, pod)
	}
	answer := map[string]any{"node": k.recorded["node"], "pods": pods}
	if node, ok := answer["node"].(map[string]any); ok {
		node["nodeName"] = k.name
	}
	return json.Marshal(answer)
}

// fill has a recorded Pod be this one: its names, its container and the figures of its volume.
func (w *writingPod) fill(pod map[string]any, now time.Time) error {
	at, files := w.at(now)
	pod["podRef"] = map[string]any{"name": w.pod.Name, "namespace": w.pod.Namespace, "uid": string(w.pod.UID)}
	used := min(files*4096, w.capacity)
	for _, part := range []struct {
		of   any
		name string
	}{{pod["containers"], w.container}, {pod["volume"], "shm"}} {
		list, ok := part.of.([]any)
		if !ok || len(list) == 0 {
			return fmt.Errorf("the recorded Pod has no %q", part.name)
		}
		last, ok := list[len(list)-1].(map[string]any)
		if !ok {
			return fmt.Errorf("the recorded Pod has a %T", list[0])
		}
		last["name"] = part.name
		if part.name != "shm" {
			last["memory"] = map[string]any{"time": at.UTC().Format(time.RFC3339), "workingSetBytes": used + 40<<20}
			continue
		}
		last["time"], last["usedBytes"], last["capacityBytes"] = at.UTC().Format(time.RFC3339), used, w.capacity
		last["availableBytes"], last["inodesUsed"] = w.capacity-used, files+1
	}
	pod["memory"] = map[string]any{"time": at.UTC().Format(time.RFC3339), "workingSetBytes": used + 50<<20}
	return nil
}

// hangs answers nothing until the client has gone.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// garbage answers with something else.
func garbage(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"node":{"nodeName":"garbage"},"pods":[{"podRef":{"name":12,`)
}

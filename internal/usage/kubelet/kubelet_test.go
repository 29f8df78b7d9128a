package kubelet_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/internal/usage/kubelet"
)

const answer = `{"node":{"nodeName":"n"},"pods":[{"podRef":{"name":"p","namespace":"n","uid":"u"},"volume":[
	{"name":"shm","time":"2026-04-18T00:00:00Z","capacityBytes":67108864,"usedBytes":4096,"inodesUsed":2}]}]}`

// serve returns a kubelet that answers with a handler, and the file of its CA.
func serve(t *testing.T, h http.HandlerFunc) (node kubelet.Node, ca string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return nodeAt(t, s.Listener.Addr()), ca
}

func nodeAt(t *testing.T, a net.Addr) kubelet.Node {
	t.Helper()
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return kubelet.Node{Name: "node-" + port, Address: host, Port: int32(n)}
}

func newReader(t *testing.T, ca string, o kubelet.Options) *kubelet.Reader {
	t.Helper()
	r, err := kubelet.New(&rest.Config{Host: "https://192.0.2.1", BearerToken: "token", TLSClientConfig: rest.TLSClientConfig{CAFile: ca}}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func one(t *testing.T, r *kubelet.Reader, n kubelet.Node) kubelet.Answer {
	t.Helper()
	answers := r.Read(t.Context(), []kubelet.Node{n})
	if len(answers) != 1 || answers[0].Node != n.Name {
		t.Fatalf("the answers are %+v; want one of %q", answers, n.Name)
	}
	return answers[0]
}

func TestReader_AsksTheKubeletItself(t *testing.T) {
	var asked atomic.Pointer[http.Request]
	node, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		_, _ = io.WriteString(w, answer)
	})
	// A proxy of the environment is for the API server and others, not for nodes.
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	a := one(t, newReader(t, ca, kubelet.Options{}), node)
	if a.Err != nil || len(a.Summary.Pods) != 1 || a.Summary.Pods[0].Volumes[0].Used != 4096 {
		t.Fatalf("the answer is %+v; want one Pod with a volume", a)
	}
	r := asked.Load()
	if r.Method != http.MethodGet || r.URL.String() != "/stats/summary" || r.Header.Get("Authorization") != "Bearer token" {
		t.Errorf("%s %s with %q; want GET /stats/summary with the token", r.Method, r.URL, r.Header.Get("Authorization"))
	}
}

// The CA that is given, or the cluster's, vouches for certificates, unless somebody opts out.
func TestReader_VerifiesCertificates(t *testing.T) {
	var served atomic.Int32
	node, ca := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		_, _ = io.WriteString(w, answer)
	})
	other := filepath.Join(t.TempDir(), "other.crt")
	if err := os.WriteFile(other, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: newCA(t)}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		cluster string
		options kubelet.Options
		ok      bool
	}{
		"signed by the cluster's CA":         {ca, kubelet.Options{}, true},
		"signed by another CA":               {other, kubelet.Options{}, false},
		"signed by a CA that is given":       {other, kubelet.Options{CAFile: ca}, true},
		"not signed by the CA that is given": {ca, kubelet.Options{CAFile: other}, false},
		"whatever it is":                     {other, kubelet.Options{InsecureTLS: true}, true},
		"whatever it is, with a CA given":    {other, kubelet.Options{CAFile: other, InsecureTLS: true}, true},
	} {
		before := served.Load()
		a := one(t, newReader(t, tc.cluster, tc.options), node)
		if ok := a.Err == nil; ok != tc.ok || ok != (served.Load() > before) {
			t.Errorf("%s: %v; want an answer: %t", name, a.Err, tc.ok)
		}
	}
	if _, err := kubelet.New(&rest.Config{Host: "https://192.0.2.1"}, kubelet.Options{CAFile: "/nonexistent"}); err == nil {
		t.Error("a CA file that is not there: no error")
	}
}

// Each node fails for itself, and in time.
func TestReader_NodesThatFail(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	wait := func(r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	long := strings.Repeat(" ", 1<<16)
	endless := func(w http.ResponseWriter, r *http.Request) {
		// 10 GiB, which nobody may read.
		for range 10 << 14 {
			if _, err := io.WriteString(w, long); err != nil || r.Context().Err() != nil {
				return
			}
		}
	}
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"hangs before it answers": {func(_ http.ResponseWriter, r *http.Request) { wait(r) }, "exceeded|request canceled"},
		"hangs in its answer": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, answer[:60])
			_ = http.NewResponseController(w).Flush() // the client may have gone
			wait(r)
		}, "exceeded|request canceled"},
		"drips": {func(w http.ResponseWriter, r *http.Request) {
			for _, c := range []byte(answer) {
				_, _ = w.Write([]byte{c})
				_ = http.NewResponseController(w).Flush() // the client may have gone
				select {
				case <-time.After(100 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
		}, "exceeded|request canceled"},
		"answers garbage":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>it works</html>") }, "reading /stats/summary"},
		"answers half":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer[:100]) }, "unexpected EOF"},
		"answers with nothing": {func(http.ResponseWriter, *http.Request) {}, "reading /stats/summary"},
		"says NaN": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Replace(answer, "4096", "NaN", 1))
		}, "reading /stats/summary"},
		"answers with 10 GiB":    {endless, "the answer is too large: more than 1048576 bytes"},
		"vanishes":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "INTERNAL_ERROR"},
		"does not know the path": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "404 Not Found"},
		"does not allow it": {
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
			"403 Forbidden: grant get nodes/stats, as manifests/usage does, and make sure that the kubelet asks the API server about tokens",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node, ca := serve(t, tc.handler)
			start := time.Now()
			a := one(t, newReader(t, ca, kubelet.Options{Timeout: 2 * time.Second, MaxBytes: 1 << 20}), node)
			if a.Err == nil || !regexp.MustCompile(tc.want).MatchString(a.Err.Error()) || !strings.HasPrefix(a.Err.Error(), fmt.Sprintf("the kubelet of node %q: ", node.Name)) {
				t.Errorf("the error is %v; want one with %q", a.Err, tc.want)
			}
			if len(a.Summary.Pods) > 0 {
				t.Errorf("there are Pods in %+v; want none of an answer that failed", a.Summary)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %s; want about the 2 s that a node may take", took)
			}
		})
	}
}

// A kubelet that answers with a redirect does not get the token sent elsewhere.
func TestReader_FollowsNobody(t *testing.T) {
	var elsewhere atomic.Int32
	other, _ := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	node, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+net.JoinHostPort(other.Address, strconv.Itoa(int(other.Port)))+"/stats/summary", http.StatusFound)
	})
	for _, o := range []kubelet.Options{{}, {InsecureTLS: true}} {
		if a := one(t, newReader(t, ca, o), node); a.Err == nil || !strings.Contains(a.Err.Error(), "302 Found") {
			t.Errorf("the error is %v; want the status of the redirect", a.Err)
		}
	}
	if elsewhere.Load() > 0 {
		t.Error("the redirect was followed")
	}
}

// No more are asked at once than allowed, and none after the server has stopped.
func TestReader_IsBounded(t *testing.T) {
	var now, most atomic.Int32
	node, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			before := most.Load()
			if n <= before || most.CompareAndSwap(before, n) {
				break
			}
		}
		select {
		case <-r.Context().Done():
		case <-time.After(50 * time.Millisecond):
			_, _ = io.WriteString(w, answer)
		}
	})
	nodes := make([]kubelet.Node, 40)
	for i := range nodes {
		nodes[i] = node
		nodes[i].Name = fmt.Sprint("node-", i)
	}
	r := newReader(t, ca, kubelet.Options{Concurrency: 5})
	for i, a := range r.Read(t.Context(), nodes) {
		if a.Err != nil || a.Node != nodes[i].Name {
			t.Fatalf("answer %d is of %q: %v; want them in the order of the nodes", i, a.Node, a.Err)
		}
	}
	if most.Load() > 5 {
		t.Errorf("%d were asked at once; want at most 5", most.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, a := range r.Read(ctx, nodes) {
		if !errors.Is(a.Err, context.Canceled) {
			t.Fatalf("after the server has stopped: %v; want it canceled", a.Err)
		}
	}
}

func TestReader_NobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	node := nodeAt(t, l.Addr())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if a := one(t, newReader(t, "", kubelet.Options{}), node); a.Err == nil {
		t.Error("nobody listens: no error")
	}
}

func TestNodeOf(t *testing.T) {
	at := func(port int32, addresses ...string) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
		n.Status.DaemonEndpoints.KubeletEndpoint.Port = port
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: "n"}, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "203.0.113.1"})
		for _, a := range addresses {
			n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
		}
		return n
	}
	for name, tc := range map[string]struct {
		node *corev1.Node
		want kubelet.Node
	}{
		"IPv4":                      {at(10250, "10.0.0.1"), kubelet.Node{Name: "n", Address: "10.0.0.1", Port: 10250}},
		"another port":              {at(11250, "10.0.0.1"), kubelet.Node{Name: "n", Address: "10.0.0.1", Port: 11250}},
		"no port":                   {at(0, "10.0.0.1"), kubelet.Node{Name: "n", Address: "10.0.0.1", Port: 10250}},
		"IPv6":                      {at(10250, "fd00::1", "10.0.0.1"), kubelet.Node{Name: "n", Address: "fd00::1", Port: 10250}},
		"no address":                {at(10250), kubelet.Node{}},
		"a name":                    {at(10250, "evil.example"), kubelet.Node{}},
		"this machine":              {at(10250, "127.0.0.1"), kubelet.Node{}},
		"the cloud's metadata":      {at(10250, "169.254.169.254"), kubelet.Node{}},
		"the same, as IPv6":         {at(10250, "::ffff:169.254.169.254"), kubelet.Node{}},
		"anybody":                   {at(10250, "0.0.0.0"), kubelet.Node{}},
		"a group":                   {at(10250, "224.0.0.1"), kubelet.Node{}},
		"a zone":                    {at(10250, "fd00::1%eth0"), kubelet.Node{}},
		"a port that is not a port": {at(70000, "10.0.0.1"), kubelet.Node{}},
		"a negative port":           {at(-1, "10.0.0.1"), kubelet.Node{}},
	} {
		got, err := kubelet.NodeOf(tc.node)
		if got != tc.want || (err != nil) != (tc.want == kubelet.Node{}) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tc.want)
		}
	}
}

package webhook

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// benchServer is the environment variable that makes the test's program a server to be measured.
const benchServer = "SHMKEEPER_BENCH_SERVER"

// policyCounts are how many policies the servers have.
var policyCounts = []int{1, 500, 5000}

// serveBenchmark serves the webhooks by TLS until standard input ends: below /1, /500 and /5000 with
// as many policies, and at /fixed-patch what any webhook has to do. It prints its address.
func serveBenchmark() int {
	mux := http.NewServeMux()
	mux.HandleFunc("/fixed-patch", fixedPatch)
	mux.HandleFunc("/cpu", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, int64(processTime()))
	})
	for _, n := range policyCounts {
		prefix := "/" + strconv.Itoa(n)
		for path, h := range Handlers(Options{
			Cluster: fakeCluster{
				set:        policytest.ManyPolicies(fatal{}, n),
				namespaces: map[string]map[string]string{"authentik": {v1alpha1.LabelMode: "enforce", corev1.LabelMetadataName: "authentik"}},
			},
			MaxMode: v1alpha1.Enforce, Metrics: NewMetrics(prometheus.NewRegistry()),
		}) {
			mux.Handle(prefix+path, h)
		}
	}
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	server.StartTLS()
	defer server.Close()
	fmt.Fprintln(os.Stdout, server.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// fatal is a testing.TB for a program that is not a test.
type fatal struct{ testing.TB }

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// fixedPatch does the least that a mutating webhook does: it reads the uid, and answers always the same.
func fixedPatch(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var review struct {
		Request struct {
			UID string `json:"uid"`
		} `json:"request"`
	}
	if err := json.Unmarshal(body, &review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	text, err := json.Marshal(map[string]any{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"response": map[string]any{
			"uid": review.Request.UID, "allowed": true, "patchType": "JSONPatch",
			"patch": []byte(`[{"op":"add","path":"/metadata/labels/a","value":"b"}]`),
		},
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text)
}

// measured is a server in a process of its own.
type measured struct {
	url    string
	client *http.Client
}

func startMeasured(b *testing.B) *measured {
	b.Helper()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), program)
	cmd.Env = append(os.Environ(), benchServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // the context has ended it
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	// The certificate is httptest's own.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}, MaxIdleConnsPerHost: 8}
	b.Cleanup(transport.CloseIdleConnections)
	return &measured{url: strings.TrimSpace(url), client: &http.Client{Transport: transport}}
}

func (m *measured) call(path string, body []byte) ([]byte, error) {
	response, err := m.client.Post(m.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return text, err
}

// cost returns what n calls cost the server, in microseconds of processor time for each.
func (m *measured) cost(b *testing.B, path string, body []byte, n int) float64 {
	b.Helper()
	cpu := func() float64 {
		text, err := m.call("/cpu", nil)
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			b.Fatal(err)
		}
		return ns / 1000
	}
	const clients = 4
	start := cpu()
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			for range n / clients {
				if _, err := m.call(path, body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return (cpu() - start) / float64(n)
}

// BenchmarkServer measures the processor time of the whole server for a call, TLS and HTTP included,
// beside that of a webhook that answers a fixed patch. The two take turns, and the medians are compared,
// so that the ratio holds on a busy machine.
func BenchmarkServer(b *testing.B) {
	m := startMeasured(b)
	for _, pod := range []struct {
		size string
		body func(testing.TB, bool) []byte
	}{{"2KB", smallReview}, {"60KB", largeReview}} {
		for _, matched := range []bool{true, false} {
			body := pod.body(b, matched)
			for _, n := range policyCounts {
				for _, path := range []string{PathMutatePods, PathEnforcePods} {
					name := fmt.Sprintf("pod=%s/matched=%t/policies=%d%s", pod.size, matched, n, path)
					b.Run(name, func(b *testing.B) { compareWithFixedPatch(b, m, "/"+strconv.Itoa(n)+path, body) })
				}
			}
		}
	}
}

func compareWithFixedPatch(b *testing.B, m *measured, path string, body []byte) {
	b.Helper()
	const batch = 100
	m.cost(b, path, body, batch) // warm
	m.cost(b, "/fixed-patch", body, batch)
	var ours, floor []float64
	for b.Loop() {
		ours = append(ours, m.cost(b, path, body, batch))
		floor = append(floor, m.cost(b, "/fixed-patch", body, batch))
	}
	slices.Sort(ours)
	slices.Sort(floor)
	middle := len(ours) / 2
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours[middle], "cpu-us/call")
	b.ReportMetric(floor[middle], "fixed-patch-us/call")
	b.ReportMetric(ours[middle]/floor[middle], "ratio")
}

const managedFields = `{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"5f3a9c6d\"}":{}}},` +
	`"f:spec":{"f:containers":{"k:{\"name\":\"proxy\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"AUTHENTIK_HOST\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:name":{},` +
	`"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},"f:requests":{".":{},"f:memory":{}}},"f:terminationMessagePath":{}}},"f:dnsPolicy":{},"f:restartPolicy":{}}}`

func smallReview(t testing.TB, matched bool) []byte { return podReview(t, matched, 0) }
func largeReview(t testing.TB, matched bool) []byte { return podReview(t, matched, 58<<10) }

// podReview returns a review of the incident's Pod as an API server sends it, with other containers and
// volumes until it is of a size in bytes.
func podReview(t testing.TB, matched bool, size int) []byte {
	t.Helper()
	var pod corev1.Pod
	if err := yaml.Unmarshal([]byte(policytest.IncidentPod), &pod); err != nil {
		t.Fatal(err)
	}
	if !matched {
		pod.Labels = map[string]string{"app": "something-else", "pod-template-hash": "587598dc4b"}
		pod.Spec.Containers[0].Image = "docker.io/library/nginx:1.29"
	}
	pod.ManagedFields = []metav1.ManagedFieldsEntry{{
		Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(managedFields),
	}}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz"}}, PeriodSeconds: 10, TimeoutSeconds: 5}
	for n := 0; ; n++ {
		text, err := json.Marshal(&pod)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) >= size {
			return reviewOf(t, podKind, "authentik", text, nil)
		}
		c := corev1.Container{
			Name: fmt.Sprintf("container-%d", n), Image: fmt.Sprintf("registry.example.org/team/service-%d:1.2.3", n),
			Command:   []string{"/bin/sh", "-c", `exec service --config "/etc/service/config.yaml" --listen :9000`},
			Resources: pod.Spec.Containers[0].Resources, VolumeMounts: pod.Spec.Containers[0].VolumeMounts,
			LivenessProbe: probe, ReadinessProbe: probe, TerminationMessagePath: "/dev/termination-log",
		}
		for i := range 20 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: fmt.Sprintf("value-%d-of-something", i)})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprintf("config-%d", n), VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{Items: []corev1.KeyToPath{{Key: "config.yaml", Path: "config.yaml"}}},
		}})
	}
}

// What the pods are is what the benchmark says that they are.
func TestPodReview_IsMatched(t *testing.T) {
	h := Handlers(Options{
		Cluster: fakeCluster{set: policytest.ManyPolicies(t, 500), namespaces: map[string]map[string]string{"authentik": {}}},
		MaxMode: v1alpha1.Enforce, Metrics: NewMetrics(prometheus.NewRegistry()),
	})[PathMutatePods]
	for _, matched := range []bool{true, false} {
		for size, review := range map[int]func(testing.TB, bool) []byte{2 << 10: smallReview, 60 << 10: largeReview} {
			body := review(t, matched)
			if len(body) < size*4/5 || len(body) > size*6/5 {
				t.Errorf("the review has %d bytes, want about %d", len(body), size)
			}
			r := replyOf(t, post(t, h, body))
			if patched := r.Patch != nil; !r.Review.Response.Allowed || patched != matched {
				t.Errorf("a Pod of %d bytes, matched %t: patch %v", size, matched, r.Patch)
			}
			if op := r.Review.Response.PatchType; matched && *op != admissionv1.PatchTypeJSONPatch {
				t.Errorf("patch type %s", *op)
			}
		}
	}
}

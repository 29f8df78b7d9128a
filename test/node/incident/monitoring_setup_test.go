//go:build linux && node

package incident

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
	"github.com/shmkeeper/shmkeeper/test/node/prometheus"
)

// startPrometheus runs node_exporter, and Prometheus with the rules that ship, in the time of the week.
func startPrometheus(t *testing.T, trafficURL string) *prometheus.Server {
	t.Helper()
	programs, err := prometheus.Find()
	if err != nil {
		t.Fatal(err)
	}
	if err := programs.StartNodeExporter(t.Context(), node.ControlPlane); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(isolate.Dir, "prometheus")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	rules, _ := monitoringManifests(t)
	faster, err := rules.Faster(week.timeFactor, shortestRange)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, object any) string {
		text, isText := object.([]byte)
		if !isText {
			if text, err = yaml.Marshal(object); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token := write("token", scraperToken(t))
	ca := write("ca.crt", metricsCA(t))
	tls := map[string]any{"insecure_skip_verify": true}
	authorization := map[string]any{"credentials_file": token}
	job := func(name, scheme, path, interval, target string) map[string]any {
		return map[string]any{
			"job_name": name, "scheme": scheme, "metrics_path": path, "honor_labels": true, "scrape_interval": interval, "scrape_timeout": interval,
			"tls_config": tls, "authorization": authorization, "static_configs": []any{map[string]any{"targets": []any{target}}},
		}
	}
	config := write("prometheus.yaml", map[string]any{
		"global":     map[string]any{"evaluation_interval": "200ms", "scrape_timeout": "1s", "scrape_interval": "1s"},
		"rule_files": []any{write("rules.yaml", faster)},
		"scrape_configs": []any{
			documentedJob(t, token, ca),
			job("node-exporter", "http", "/metrics", "500ms", prometheus.NodeExporterAddress),
			job("kubelet", "https", "/metrics/cadvisor", "2s", "10.244.0.1:10250"),
			job("apiserver", "https", "/metrics", "2s", strings.TrimPrefix(node.Config.Host, "https://")),
			job("traefik", "http", "/metrics", "1s", strings.TrimPrefix(trafficURL, "http://")),
		},
	})
	running, err := programs.Start(t.Context(), node.ControlPlane, config, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	return running
}

// documentedJob returns the job that docs/how-to/monitoring.md has for a Prometheus without the operator, with paths of this machine. Debian's
// Prometheus is built without the discovery of Kubernetes, so its targets are named, with the labels that the page gives them.
func documentedJob(t *testing.T, token, ca string) map[string]any {
	t.Helper()
	blocks := regexp.MustCompile("(?s)```yaml\n(rule_files:.*?)```").FindSubmatch(repository(t, "docs", "how-to", "monitoring.md"))
	if blocks == nil {
		t.Fatal("docs/how-to/monitoring.md has no configuration that begins with rule_files")
	}
	text := strings.NewReplacer(
		"/var/run/secrets/kubernetes.io/serviceaccount/token", token, "/etc/prometheus/shmkeeper-ca/ca.crt", ca,
	).Replace(string(blocks[1]))
	var config struct {
		Jobs []map[string]any `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(text), &config); err != nil || len(config.Jobs) != 1 {
		t.Fatalf("the configuration of docs/how-to/monitoring.md has %d jobs, %v; want one", len(config.Jobs), err)
	}
	job := config.Jobs[0]
	delete(job, "kubernetes_sd_configs")
	delete(job, "relabel_configs")
	pods, err := node.Client.CoreV1().Pods(install.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=shmkeeper"})
	if err != nil {
		t.Fatal(err)
	}
	var targets []any
	for i := range pods.Items {
		targets = append(targets, map[string]any{
			"targets": []any{net.JoinHostPort(pods.Items[i].Status.PodIP, "8443")},
			"labels":  map[string]any{"namespace": install.Namespace, "pod": pods.Items[i].Name},
		})
	}
	job["static_configs"] = targets
	job["scrape_interval"] = "1s"
	return job
}

// scraperToken returns the token of an account that may read metrics, as docs/how-to/monitoring.md has it granted, and those of the
// kubelet.
func scraperToken(t *testing.T) []byte {
	t.Helper()
	place{t: t}.apply([]byte(`
apiVersion: v1
kind: Namespace
metadata: {name: monitoring, labels: {metrics: enabled}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus, namespace: monitoring}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: shmkeeper-metrics-readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: shmkeeper-metrics-reader}
subjects: [{kind: ServiceAccount, name: prometheus, namespace: monitoring}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: kubelet-metrics-reader}
rules:
- {apiGroups: [""], resources: [nodes/metrics], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kubelet-metrics-readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kubelet-metrics-reader}
subjects: [{kind: ServiceAccount, name: prometheus, namespace: monitoring}]
`))
	request, err := node.Client.CoreV1().ServiceAccounts("monitoring").CreateToken(t.Context(), "prometheus", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return []byte(request.Status.Token)
}

func metricsCA(t *testing.T) []byte {
	t.Helper()
	found, err := node.Client.CoreV1().ConfigMaps(install.Namespace).Get(t.Context(), "shmkeeper-ca", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return []byte(found.Data["ca.crt"])
}

// rejectOne has a Pod rejected for its policy.
func rejectOne(t *testing.T, p place) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "disk", Labels: map[string]string{"goauthentik.io/outpost-type": "proxy"}},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name: "proxy", Image: writerImage, VolumeMounts: []corev1.VolumeMount{{Name: "disk", MountPath: "/dev/shm"}},
				Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}},
			}},
			Volumes: []corev1.Volume{{Name: "disk", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		},
	}
	if _, err := node.Client.CoreV1().Pods(p.namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "violates SharedMemoryPolicy") {
		t.Fatalf("a Pod with a disk at /dev/shm: %v; want it rejected for the policy", err)
	}
}

// haveOneViolate has the audit find a running Pod that violates its policy: it scans when policies change.
func haveOneViolate(t *testing.T) {
	t.Helper()
	audited := newPlace(t, "monitored-audit", "audit")
	audited.applyPolicy(nil)
	audited.deploy(nil)
	audited.running()
	audited.applyPolicy(map[string]any{"sizing": map[string]any{"headroomPercent": 30}})
}

// failWebhooks has the API server count webhooks that did not answer, one that fails open and one that fails closed. Their names are
// like those of shmkeeper, their configurations are not its own, and only a namespace of this test is sent to them.
func failWebhooks(t *testing.T) {
	t.Helper()
	const namespace = "monitored-webhooks"
	webhook := func(kind, name, policy, label string) string {
		return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: %s
metadata: {name: %s}
webhooks:
- name: %s
  clientConfig: {url: "https://127.0.0.1:9/"}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
  objectSelector: {matchLabels: {fails: %s}}
  failurePolicy: %s
  sideEffects: None
  admissionReviewVersions: [v1]
---`, kind, namespace, name, namespace, label, policy)
	}
	newPlace(t, namespace, "").apply([]byte(webhook("MutatingWebhookConfiguration", "mutate.pods.shmkeeper.dev", "Ignore", "open") +
		webhook("ValidatingWebhookConfiguration", "enforce.pods.shmkeeper.dev", "Fail", "closed")))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := node.Kubectl(ctx, "delete", "mutatingwebhookconfiguration/"+namespace, "validatingwebhookconfiguration/"+namespace); err != nil {
			t.Error(err)
		}
	})
	create := func(label string) error {
		_, err := node.Client.CoreV1().ConfigMaps(namespace).Create(t.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "fails-", Labels: map[string]string{"fails": label}},
		}, metav1.CreateOptions{})
		return err
	}
	// An API server learns of a configuration a moment after it was created.
	eventually(t, time.Minute, func(context.Context) error {
		if err := create("closed"); err == nil || !strings.Contains(err.Error(), "failed calling webhook") {
			return fmt.Errorf("a ConfigMap for the webhook that fails closed: %w; want it rejected", err)
		}
		return create("open")
	})
}

// traffic presents what Traefik and Uptime Kuma would count of the loads.
type traffic struct {
	url   string
	loads chan []*load // holds the one slice
}

// uptimeMonitors is how many monitors send requests through the outpost.
const uptimeMonitors = 5

func serveTraffic(t *testing.T) *traffic {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &traffic{url: "http://" + listener.Addr().String(), loads: make(chan []*load, 1)}
	tr.loads <- nil
	server := &http.Server{Handler: http.HandlerFunc(tr.metrics), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return tr
}

func (tr *traffic) add(l *load) { tr.loads <- append(<-tr.loads, l) }

// metrics writes a router's requests by the answers to each load, and monitors that are down when a load is refused.
func (tr *traffic) metrics(w http.ResponseWriter, _ *http.Request) {
	loads := <-tr.loads
	tr.loads <- loads
	var text bytes.Buffer
	up := 1
	for i, l := range loads {
		for code, n := range map[string]int64{"302": l.saved.Load(), "400": l.refused.Load()} {
			fmt.Fprintf(&text, "traefik_service_requests_total{code=%q,method=\"GET\",protocol=\"http\",service=\"outpost-%d@kubernetes\"} %d\n", code, i, n)
			fmt.Fprintf(&text, "traefik_router_requests_total{code=%q,method=\"GET\",protocol=\"http\",router=\"outpost-%d@kubernetes\",service=\"outpost-%d@kubernetes\"} %d\n", code, i, i, n)
		}
		if l.refused.Load() > 0 {
			up = 0
		}
	}
	for i := range uptimeMonitors {
		fmt.Fprintf(&text, "monitor_status{monitor_name=\"site-%d\",monitor_type=\"http\"} %d\n", i, up)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = w.Write(text.Bytes())
}

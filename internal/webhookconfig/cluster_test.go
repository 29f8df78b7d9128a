package webhookconfig

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/internal/policystatus"
	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// testCluster is shmkeeper as it ships, on a control plane, with a server behind
// its Service that allows everything and notes what it is sent.
type testCluster struct {
	client.Client
	plane    *envtest.ControlPlane
	scheme   *runtime.Scheme
	ca       []byte
	view     *cluster.View
	lastSeen *LastSeen
	metrics  *Metrics
	// manager is the one that startTerm started last.
	manager *recorder

	mu    sync.Mutex
	paths []string
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

// plane is the control plane that the tests share, with what they have in common: shmkeeper, and
// a namespace that enforces. It is nil until the first test needs it.
var plane *envtest.ControlPlane

func TestMain(m *testing.M) {
	code := m.Run()
	if plane != nil {
		if err := plane.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func startPlane(t *testing.T) {
	t.Helper()
	var err error
	options := envtest.Options{WithoutControllerManager: true, AuditPolicy: envtest.AuditNone}
	if plane, err = envtest.Start(context.WithoutCancel(t.Context()), options); err != nil {
		t.Fatal(err)
	}
	c := connect(t)
	c.kubectl(t, "apply", "-k", "../../manifests/default")
	c.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", Labels: map[string]string{v1alpha1.LabelMode: "enforce"}}})
	c.create(t, &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "limits"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Gi")}}}},
	})
	c.create(t, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "quota"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("8Gi")}},
	})
}

func connect(t *testing.T) *testCluster {
	t.Helper()
	c := &testCluster{plane: plane, scheme: runtime.NewScheme()}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(c.scheme); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if c.Client, err = client.New(plane.Config, client.Options{Scheme: c.scheme}); err != nil {
		t.Fatal(err)
	}
	return c
}

// install returns shmkeeper as it is right after an installation, for one test.
func install(t *testing.T) *testCluster {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts an API server")
	}
	if plane == nil {
		startPlane(t)
	}
	c := connect(t)
	t.Cleanup(func() { c.uninstall(t) })
	c.kubectl(t, "apply", "-k", "../../manifests/webhooks")
	c.serve(t)
	c.deploymentStatus(t, 2)
	return c
}

// uninstall removes what a test leaves behind.
func (c *testCluster) uninstall(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	for _, err := range []error{
		c.DeleteAllOf(ctx, &v1alpha1.SharedMemoryPolicy{}),
		c.DeleteAllOf(ctx, &admissionregistrationv1.MutatingWebhookConfiguration{}),
		c.DeleteAllOf(ctx, &admissionregistrationv1.ValidatingWebhookConfiguration{}),
		c.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace("team")),
		c.DeleteAllOf(ctx, &eventsv1.Event{}, client.InNamespace("default")),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

func (c *testCluster) kubectl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := c.plane.Kubectl(context.WithoutCancel(t.Context()), args...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// serve answers at the webhooks' Service, and has the API server trust it.
func (c *testCluster) serve(t *testing.T) {
	t.Helper()
	ca, key, err := cert.GenerateSelfSignedCertKey("shmkeeper-webhook.shmkeeper-system.svc", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(ca, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(c.allow))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	c.ca = ca
	c.plane.ServeService("shmkeeper-system", "shmkeeper-webhook", 443, s.Listener.Addr().String())
	for _, kind := range Kinds() {
		o := c.configuration(t, kind)
		var entries []any
		for _, w := range webhooksOf(o) {
			w.setBundle(ca)
			entries = append(entries, map[string]any(w))
		}
		o.Object["webhooks"] = entries
		if err := c.Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *testCluster) allow(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.paths = append(c.paths, r.URL.Path)
	c.mu.Unlock()
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

// sent are the paths that Pods were sent to.
func (c *testCluster) sent() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.paths {
		if strings.HasSuffix(p, "-pods") {
			out = append(out, p)
		}
	}
	return out
}

// newManager makes one with the rights of the service account.
func (c *testCluster) newManager(t *testing.T) manager.Manager {
	t.Helper()
	cfg, err := c.plane.ServiceAccount("shmkeeper-system", "shmkeeper")
	if err != nil {
		t.Fatal(err)
	}
	c.manager = &recorder{versions: map[string]string{}}
	cfg.Wrap(c.manager.wrap)
	anyName := true
	mgr, err := manager.New(cfg, manager.Options{
		Scheme: c.scheme, Cache: cluster.CacheOptions("shmkeeper"), Metrics: server.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{Unstructured: true}},
		Logger: testr.New(t), Controller: config.Controller{SkipNameValidation: &anyName},
		NewClient: c.manager.newClient,
	})
	if err != nil {
		t.Fatal(err)
	}
	return mgr
}

// run runs a manager until the end of the test, or until it is stopped.
func run(t *testing.T, mgr manager.Manager) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// startServing runs what every replica runs.
func (c *testCluster) startServing(t *testing.T) *cluster.View {
	t.Helper()
	mgr, registry := c.newManager(t), prometheus.NewRegistry()
	var err error
	if c.view, err = cluster.New(mgr, policy.Mirrors{}, registry); err != nil {
		t.Fatal(err)
	}
	if c.lastSeen, err = Watch(mgr.GetCache()); err != nil {
		t.Fatal(err)
	}
	if c.metrics, err = NewMetrics(registry); err != nil {
		t.Fatal(err)
	}
	run(t, mgr)
	return c.view
}

// startTerm runs what a leader runs until the test stops it, as a replica that stops does.
func (c *testCluster) startTerm(t *testing.T) (stop func()) {
	t.Helper()
	mgr := c.newManager(t)
	stopping, cancel := context.WithCancel(t.Context())
	condition, err := Setup(stopping, mgr, Options{
		Mutating: webhooks.Mutating(), Validating: webhooks.Validating(),
		Namespace: "shmkeeper-system", Deployment: "shmkeeper", Policies: c.view, LastSeen: c.lastSeen, Metrics: c.metrics,
		RestoreDelay: restoreDelay, Stopping: stopping,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := policystatus.Setup(mgr, c.view, condition, cluster.NewWatches(mgr.GetScheme(), logr.Discard())); err != nil {
		t.Fatal(err)
	}
	end := run(t, mgr)
	return func() {
		cancel()
		end()
	}
}

func (c *testCluster) create(t *testing.T, o client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func (c *testCluster) pod(t *testing.T, labels map[string]string) {
	t.Helper()
	c.create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", GenerateName: "pod-", Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "nginx"}}},
	})
}

func (c *testCluster) policy(t *testing.T, name string) *v1alpha1.SharedMemoryPolicy {
	t.Helper()
	p := &v1alpha1.SharedMemoryPolicy{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: name}, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// update changes a policy, and returns what the API server made of it.
func (c *testCluster) update(t *testing.T, name string, change func(*v1alpha1.SharedMemoryPolicy)) *v1alpha1.SharedMemoryPolicy {
	t.Helper()
	p := c.policy(t, name)
	before := client.MergeFrom(p.DeepCopy())
	change(p)
	if err := c.Patch(t.Context(), p, before); err != nil {
		t.Fatal(err)
	}
	return p
}

// considersToRestore damages a configuration, and returns when the manager has decided whether to
// restore it. again has the manager look a second time, which it does when it is done with the
// first.
func (c *testCluster) considersToRestore(t *testing.T, damage, again func()) {
	t.Helper()
	for _, act := range []func(){damage, again} {
		// It asks for the Deployment when the damage has lasted for the delay, and for nothing else.
		asked := func() int {
			return len(c.manager.sent(0, "GET /apis/apps/v1/namespaces/shmkeeper-system/deployments/shmkeeper"))
		}
		before := asked()
		act()
		eventually(t, "the manager asks whether shmkeeper is at rest", func() bool { return asked() > before })
	}
}

func (c *testCluster) waitFor(t *testing.T, name, condition string, status metav1.ConditionStatus) (p *v1alpha1.SharedMemoryPolicy) {
	t.Helper()
	eventually(t, fmt.Sprintf("policy %q has %s=%s", name, condition, status), func() bool {
		p = c.policy(t, name)
		got := meta.FindStatusCondition(p.Status.Conditions, condition)
		return got != nil && got.Status == status && got.ObservedGeneration == p.Generation
	})
	return p
}

// find returns a configuration, nil if there is none.
func (c *testCluster) find(t *testing.T, kind string) *unstructured.Unstructured {
	t.Helper()
	u, err := read(t.Context(), c.Client, kind, "shmkeeper")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (c *testCluster) configuration(t *testing.T, kind string) *unstructured.Unstructured {
	t.Helper()
	o := c.find(t, kind)
	if o == nil {
		t.Fatalf("there is no %s", kind)
	}
	return o
}

// intact reports whether a configuration is there, and nothing that matters of it has been changed.
func (c *testCluster) intact(t *testing.T, kind string) bool {
	t.Helper()
	text := webhooks.Validating()
	if kind == Mutating {
		text = webhooks.Mutating()
	}
	manifest, err := readManifest(text, kind, "shmkeeper-system")
	if err != nil {
		t.Fatal(err)
	}
	return len(driftOf(c.find(t, kind), manifest, false)) == 0
}

// deploymentStatus says, as the Deployment's controller would, how many of two
// replicas are of the newest template.
func (c *testCluster) deploymentStatus(t *testing.T, updated int32) {
	t.Helper()
	d := &appsv1.Deployment{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shmkeeper-system", Name: "shmkeeper"}, d); err != nil {
		t.Fatal(err)
	}
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 2, UpdatedReplicas: updated}
	if err := c.Status().Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

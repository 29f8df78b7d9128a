package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/internal/usage/kubelet"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const mib = 1 << 20

var began = time.Date(2026, 4, 18, 0, 0, 0, 0, time.UTC)

// bench is a cluster, with its time.
type bench struct {
	t        *testing.T
	client   client.WithWatch
	set      policy.Set
	now      time.Time
	monitor  *Monitor
	registry *prometheus.Registry
	// kubelets say what their nodes have; nil: the node does not answer.
	kubelets map[string][]usage.PodSummary
	asked    []string
	lists    error // of Pods
	logged   []string
}

func (b *bench) Policies() policy.Set { return b.set }
func (b *bench) Synced() bool         { return true }
func (b *bench) NamespaceLabels(name string) (map[string]string, bool) {
	return map[string]string{corev1.LabelMetadataName: name}, true
}

func (b *bench) Read(_ context.Context, nodes []kubelet.Node) []kubelet.Answer {
	var out []kubelet.Answer
	for _, n := range nodes {
		b.asked = append(b.asked, n.Address)
		pods, answers := b.kubelets[n.Name]
		a := kubelet.Answer{Node: n.Name, Summary: usage.Summary{Node: n.Name, Pods: pods}}
		if !answers {
			a.Summary, a.Err = usage.Summary{}, errors.New("no route to host")
		}
		out = append(out, a)
	}
	return out
}

func newBench(t *testing.T, maxVolumes int, policies []*v1alpha1.SharedMemoryPolicy, objects ...client.Object) *bench {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, now: began, registry: prometheus.NewRegistry(), kubelets: map[string][]usage.PodSummary{}}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.SharedMemoryPolicy{}).WithObjects(objects...)
	var compiled []policy.Policy
	for _, p := range policies {
		builder.WithObjects(p)
		c, errs := policy.Compile(p)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		compiled = append(compiled, c)
	}
	b.set = policy.NewSet(compiled...)
	b.client = builder.WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, pods := list.(*corev1.PodList); pods && b.lists != nil {
				return b.lists
			}
			return c.List(ctx, list, options...)
		},
	}).Build()
	b.lead(maxVolumes)
	return b
}

// lead has another replica lead.
func (b *bench) lead(maxVolumes int) {
	b.t.Helper()
	b.registry = prometheus.NewRegistry()
	metrics, err := NewMetrics(b.registry)
	if err != nil {
		b.t.Fatal(err)
	}
	log := logr.New(&sink{b})
	b.monitor = New(Options{
		Reader: b.client, Status: b.client, View: b, Kubelets: b, Interval: time.Minute, MaxVolumes: maxVolumes, Metrics: metrics, Log: log,
	})
	b.monitor.now = func() time.Time { return b.now }
}

// sink keeps what is logged.
type sink struct{ b *bench }

func (*sink) Init(logr.RuntimeInfo)            {}
func (*sink) Enabled(int) bool                 { return true }
func (s *sink) WithValues(...any) logr.LogSink { return s }
func (s *sink) WithName(string) logr.LogSink   { return s }
func (s *sink) Info(_ int, message string, values ...any) {
	s.b.logged = append(s.b.logged, fmt.Sprintln(append([]any{message}, values...)...))
}

func (s *sink) Error(err error, message string, _ ...any) {
	s.b.logged = append(s.b.logged, fmt.Sprintln(message, err))
}

func (b *bench) measure() { b.monitor.measure(b.t.Context()) }

// values returns the metrics of one name by the values of their labels.
func (b *bench) values(name string) map[string]float64 {
	b.t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			out[strings.Join(labels, " ")] = m.GetGauge().GetValue()
		}
	}
	return out
}

func (b *bench) mustHave(name string, want map[string]float64) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.values(name)); diff != "" {
		b.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func nodeNamed(name, address string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}}
	return n
}

func podOn(node, name string, options ...policytest.PodOption) *corev1.Pod {
	pod := policytest.NewPod(name, policytest.Namespace("apps"), policytest.Labels(map[string]string{"app": "a"}),
		policytest.WithMemoryVolume("shm", "64Mi"), policytest.WithContainer("app", "app", policytest.MemoryLimit("256Mi"), policytest.Mount("shm", "/dev/shm")))
	pod.UID, pod.Spec.NodeName, pod.Status.Phase = types.UID("uid-"+name), node, corev1.PodRunning
	pod.Status.StartTime = &metav1.Time{Time: began}
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "store", Controller: new(true)}}
	return policytest.With(pod, options...)
}

// says returns what a kubelet says of a Pod of podOn.
func says(name string, at time.Time, used int64) usage.PodSummary {
	key := usage.VolumeKey{PodUID: "uid-" + name, Volume: "shm"}
	return usage.PodSummary{
		Namespace: "apps", Name: name, UID: key.PodUID, Memory: usage.PodMemory{Pod: used + 50*mib, Containers: map[string]int64{"app": used + 40*mib}},
		Volumes: []usage.Reading{{
			Namespace: "apps", Pod: name, VolumeKey: key,
			Sample: usage.Sample{Time: at, Used: used, Capacity: 64 * mib, InodesUsed: used/4096 + 1, Inodes: 100_000},
		}},
	}
}

// answerBoth has both kubelets tell of their Pods.
func (b *bench) answerBoth() {
	b.kubelets["node-1"] = []usage.PodSummary{says("one", b.now, mib)}
	b.kubelets["node-2"] = []usage.PodSummary{says("two", b.now, mib)}
}

// mustMeasure makes a round, and compares the Pods that have series then.
func (b *bench) mustMeasure(want ...string) {
	b.t.Helper()
	b.measure()
	var got []string
	for labels := range b.values("shmkeeper_volume_used_bytes") {
		got = append(got, strings.Fields(labels)[1])
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("the Pods with series (-want +got):\n%s", diff)
	}
}

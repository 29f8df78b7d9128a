//go:build linux && node

package incident

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The incident's files, and the memory limit that a LimitRange gave the Pod on the day.
const (
	createdPerMinute = 18
	fileSize         = 1500
	limitOfNamespace = "256Mi"
)

// workload is how long files are kept, and how much faster time runs here. The policies say so too.
type workload struct {
	timeFactor               int
	retention, sweepInterval time.Duration
}

var (
	// week is the incident's: an hour passes in one and a half seconds, 18 files a minute are 720 a
	// second. A sweep over some 180,000 files takes a good part of a second, so there is one each
	// hour and not every five minutes.
	week = workload{timeFactor: 2400, retention: 168 * time.Hour, sweepInterval: time.Hour}
	// shift keeps fewer files, at a pace that User Mode Linux keeps up with: an hour passes in 22.5
	// seconds, 18 files a minute are 48 a second.
	shift = workload{timeFactor: 160, retention: 4 * time.Hour, sweepInterval: time.Hour}
)

// place is a namespace for one test, with a policy that matches there alone.
type place struct {
	t         *testing.T
	namespace string
	workload
}

// newPlace makes a namespace. Without a mode it is not opted in.
func newPlace(t *testing.T, name string, mode string) place {
	t.Helper()
	ctx := t.Context()
	labels := map[string]string{}
	if mode != "" {
		labels["shmkeeper.dev/mode"] = mode
	}
	_, err := node.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The node is small: what a test has deployed makes room for the next one.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := node.Client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("namespace %q: %v", name, err)
		}
	})
	limit := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limitOfNamespace)}
	_, err = node.Client.CoreV1().LimitRanges(name).Create(ctx, &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Name: "defaults"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Default: limit, DefaultRequest: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return place{t: t, namespace: name, workload: week}
}

// applyPolicy applies a policy for outposts of this namespace and waits until the server has it. more is merged into its spec.
func (p place) applyPolicy(more map[string]any) sizing.Size {
	p.t.Helper()
	spec := map[string]any{
		"match": []any{map[string]any{
			"podSelector":       map[string]any{"matchLabels": map[string]any{"goauthentik.io/outpost-type": "proxy"}},
			"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": p.namespace}},
		}},
		"sizing": map[string]any{
			"files": map[string]any{
				"createdPerMinute": fmt.Sprint(createdPerMinute), "retention": p.retention.String(), "sweepInterval": p.sweepInterval.String(), "fileSize": fileSize,
			},
			"max": "4Gi",
		},
	}
	merge(spec, more)
	object := map[string]any{
		"apiVersion": "shmkeeper.dev/v1alpha1", "kind": "SharedMemoryPolicy", "metadata": map[string]any{"name": p.namespace}, "spec": spec,
	}
	text, err := json.Marshal(object)
	if err != nil {
		p.t.Fatal(err)
	}
	p.apply(text)
	// The size is computed from what the API server has made of it, defaults included.
	var source v1alpha1.SharedMemoryPolicy
	eventually(p.t, time.Minute, func(ctx context.Context) error {
		var err error
		if source, err = p.stored(ctx); err != nil {
			return err
		}
		for _, condition := range source.Status.Conditions {
			if condition.Type == v1alpha1.ConditionMatchConditionCurrent && condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == source.Generation {
				return nil
			}
		}
		return fmt.Errorf("the policy has the status %+v", source.Status)
	})
	return p.sizeBy(&source)
}

// stored returns the policy of this namespace, with the API server's defaults.
func (p place) stored(ctx context.Context) (source v1alpha1.SharedMemoryPolicy, err error) {
	out, err := node.Kubectl(ctx, "get", "sharedmemorypolicy", p.namespace, "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &source)
	}
	return source, err
}

// sizeBy returns the size that a policy computes.
func (p place) sizeBy(source *v1alpha1.SharedMemoryPolicy) sizing.Size {
	p.t.Helper()
	compiled, errs := policy.Compile(source)
	if len(errs) > 0 {
		p.t.Fatal(errs.ToAggregate())
	}
	size, ok := compiled.Size()
	if !ok {
		p.t.Fatal("the policy has no size of its own")
	}
	return size
}

// sizeAt returns the size that the policy would compute for a share of createdPerMinute and another time between sweeps.
func (p place) sizeAt(share float64, sweepInterval time.Duration) sizing.Size {
	p.t.Helper()
	source, err := p.stored(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	files := source.Spec.Sizing.Files
	files.CreatedPerMinute = fmt.Sprintf("%.3f", share*createdPerMinute)
	files.SweepInterval = new(v1alpha1.Duration(sweepInterval.Round(time.Second).String()))
	return p.sizeBy(&source)
}

// limitOf returns the memory limit of a container, in bytes, that had one before.
func limitOf(before sizing.Bytes, size sizing.Size) sizing.Bytes {
	return before + size.MemoryCost.RoundUp(sizing.MiB)
}

// merge sets what is in more, field by field.
func merge(into, more map[string]any) {
	for name, value := range more {
		inner, ok := value.(map[string]any)
		if old, exists := into[name].(map[string]any); ok && exists {
			merge(old, inner)
			continue
		}
		into[name] = value
	}
}

func (p place) apply(text []byte) {
	p.t.Helper()
	cmd := node.KubectlCommand(p.t.Context(), "apply", "--namespace="+p.namespace, "-f", "-")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("kubectl apply: %v\n%s\n%s", err, out, text)
	}
}

// deploy creates the incident's Deployment, with the writer of sessions in place of the outpost. change may make it another one.
func (p place) deploy(change func(*corev1.PodSpec)) {
	p.t.Helper()
	root, err := envtest.Root(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "examples", "incident-deployment.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	var deployment appsv1.Deployment
	if err := yaml.UnmarshalStrict(text, &deployment); err != nil {
		p.t.Fatal(err)
	}
	deployment.Namespace = p.namespace
	spec := &deployment.Spec.Template.Spec
	container := &spec.Containers[0]
	container.Image = writerImage
	container.Ports = nil
	container.Env = p.settings()
	// Without a request the container would be the first to wait when the machine is busy, and its sweeps would be late.
	container.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m")}
	spec.TerminationGracePeriodSeconds = new(int64(1))
	if change != nil {
		change(spec)
	}
	if _, err := node.Client.AppsV1().Deployments(p.namespace).Create(p.t.Context(), &deployment, metav1.CreateOptions{}); err != nil {
		p.t.Fatal(err)
	}
}

// settings returns the environment variables of the writer of sessions.
func (w workload) settings() []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "RETENTION", Value: w.retention.String()},
		{Name: "SWEEP_INTERVAL", Value: w.sweepInterval.String()},
		{Name: "TIME_FACTOR", Value: fmt.Sprint(w.timeFactor)},
		{Name: "SESSION_BYTES", Value: fmt.Sprint(fileSize)},
	}
}

// outpost is the one Pod of a place.
type outpost struct {
	place
	pod *corev1.Pod
	url string
	// container is the name of the container whose end is waited for; the first one if empty. seen are the IDs of those that have ended.
	container string
	seen      map[string]bool
}

// running waits for the Pod and its first answer.
func (p place) running() outpost {
	p.t.Helper()
	o := outpost{place: p}
	defer func() {
		if o.url == "" {
			p.t.Log(p.state())
		}
	}()
	eventually(p.t, 2*time.Minute, func(ctx context.Context) error {
		pods, err := node.Client.CoreV1().Pods(p.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(pods.Items) != 1 {
			return fmt.Errorf("there are %d Pods", len(pods.Items))
		}
		o.pod = &pods.Items[0]
		if o.pod.Status.PodIP == "" || o.pod.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("the Pod is %s: %+v", o.pod.Status.Phase, o.pod.Status.ContainerStatuses)
		}
		o.url = "http://" + o.pod.Status.PodIP + ":9000"
		_, err = o.get(ctx, http.MethodGet, "/healthz", nil)
		return err
	})
	return o
}

// refresh reads the Pod again.
func (o *outpost) refresh(ctx context.Context) error {
	pod, err := node.Client.CoreV1().Pods(o.namespace).Get(ctx, o.pod.Name, metav1.GetOptions{})
	if err == nil {
		o.pod = pod
	}
	return err
}

// volume is what statfs says in the container, and the writer's counts.
type volume struct {
	Type                  string
	SizeBytes, UsedBytes  int64
	InodesUsed            int64
	Files, Saved, Refused int64
	Swept, Sweeps         int64
	LongestSweepMillis    int64
	LongestCycleMillis    int64
}

func (o *outpost) volume(ctx context.Context) (volume, error) {
	var v volume
	_, err := o.get(ctx, http.MethodGet, "/volume", &v)
	return v, err
}

// mustVolume returns volume for tests that cannot go on without.
func (o *outpost) mustVolume() volume {
	o.t.Helper()
	v, err := o.volume(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	return v
}

// fill has the container create files in its /dev/shm, with short or long names that begin with a letter, and returns how many fitted.
func (o *outpost) fill(count, size int, name, letter string) int {
	o.t.Helper()
	var answer struct {
		Created int
		Error   string
	}
	if _, err := o.get(o.t.Context(), http.MethodPost, fmt.Sprintf("/files?count=%d&size=%d&name=%s&prefix=%s", count, size, name, letter), &answer); err != nil {
		o.t.Fatal(err)
	}
	if answer.Created < count && !strings.Contains(answer.Error, "no space left on device") {
		o.t.Fatalf("after %d of %d files: %q; want all of them, or no space left", answer.Created, count, answer.Error)
	}
	return answer.Created
}

// session asks for a page without a cookie and returns the status of the answer.
func (o *outpost) session(ctx context.Context) (status int, err error) {
	return o.get(ctx, http.MethodGet, "/outpost.goauthentik.io/auth/nginx", nil)
}

var client = http.Client{
	// Filling a volume of 512Mi in User Mode Linux takes a good minute.
	Timeout:       5 * time.Minute,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// get asks the writer. With a value to fill, any answer but 200 is an error.
func (o *outpost) get(ctx context.Context, method, path string, into any) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, o.url+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	if into == nil {
		return response.StatusCode, nil
	}
	if response.StatusCode != http.StatusOK {
		return response.StatusCode, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, body)
	}
	return response.StatusCode, json.Unmarshal(body, into)
}

// state returns what `kubectl describe` says of the Pods and events, for a test that has waited in vain.
func (p place) state() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := node.Kubectl(ctx, "describe", "pods,replicasets", "--namespace="+p.namespace)
	if err != nil {
		return err.Error()
	}
	return out
}

// eventually asks again until there is no error, and fails the test with the last one when the time is over.
func eventually(t *testing.T, within time.Duration, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", within, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

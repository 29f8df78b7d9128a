package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// webPolicy matches the Pods labelled app=web. The size limit is 256Mi and the memory cost
// 257Mi.
func webPolicy() v1alpha1.SharedMemoryPolicy {
	return newPolicy("web", `{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {fixed: {size: 256Mi}}}`)
}

// What webPolicy makes of the memory of webPod.
const (
	raisedLimit   = (512 + 257) << 20
	raisedRequest = (128 + 256) << 20
)

// webPod returns a Pod that webPolicy matches and changes. Every namespace lets it run,
// and it has no volume whose name is made up.
func webPod(name string, options ...policytest.PodOption) *corev1.Pod {
	pod := policytest.ParsePod(`
metadata: {labels: {app: web}}
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: web
    image: web
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    resources: {limits: {memory: 512Mi}, requests: {memory: 128Mi}}
`)
	pod.Name = name
	return policytest.With(pod, options...)
}

// onDisk mounts a disk at /dev/shm, which violates webPolicy for good.
func onDisk(pod *corev1.Pod) {
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "disk", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	c := &pod.Spec.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "disk", MountPath: "/dev/shm"})
}

// The words for webPod and for onDisk under a policy that is named.
const (
	diskDetail   = `container "web" mounts volume "disk" at /dev/shm, which is not a Memory emptyDir: mount a Memory emptyDir with sizeLimit: 256Mi there`
	noMountWords = `container "web" mounts nothing at /dev/shm and gets the runtime's /dev/shm of 64Mi: mount a Memory emptyDir with sizeLimit: 256Mi there`
	changeWords  = `adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web", raises the memory limit of "web" from 512Mi to 769Mi and its request from 128Mi to 384Mi`
)

// notMutated follows the violations of a Pod that shmkeeper would have fixed.
const notMutated = `; shmkeeper fixes this when a Pod is created, but its mutating webhook was not called, ` +
	`or another webhook undid the change: try again, or tell shmkeeper's administrator`

func deniedBy(webhook, message string) string {
	return fmt.Sprintf("admission webhook %q denied the request: %s", webhook, message)
}

func refusedForDisk(policy string) string {
	return deniedBy("enforce.pods.shmkeeper.dev", fmt.Sprintf("violates SharedMemoryPolicy %q: %s", policy, diskDetail))
}

// apiClient sends requests to the API server, and reads all that follows: the answer, the
// warnings, and the line in the audit log.
type apiClient struct {
	kube     kubernetes.Interface
	warnings *warnings
	audit    *auditLog
	ids      *auditIDs
}

// auditIDs gives each request the identity by which the audit log has it.
type auditIDs struct {
	next http.RoundTripper
	last types.UID
}

// RoundTrip implements http.RoundTripper.
func (a *auditIDs) RoundTrip(r *http.Request) (*http.Response, error) {
	a.last = uuid.NewUUID()
	r = r.Clone(r.Context())
	r.Header.Set(auditv1.HeaderAuditID, string(a.last))
	return a.next.RoundTrip(r)
}

// apiClient returns a client that sends one request after the other, as an administrator.
func (s *suite) apiClient(t *testing.T) *apiClient {
	t.Helper()
	a := &apiClient{warnings: &warnings{}, audit: newAuditLog(t, s.cp.AuditLog), ids: &auditIDs{}}
	config := rest.CopyConfig(s.cp.Config)
	config.WarningHandler = a.warnings
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		a.ids.next = next
		return a.ids
	})
	var err error
	if a.kube, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	return a
}

// response is the outcome of a request.
type response struct {
	// Error is the message of a refusal, and Code its HTTP status.
	Error string
	Code  int32
	// Warnings are what the client is warned of.
	Warnings []string
	// Notes are what our webhooks wrote into the audit log, by webhook and key:
	// "enforce.pods/outcome". Sentences are left out.
	Notes map[string]string

	event auditv1.Event
	pod   *corev1.Pod
}

// send sends one request and collects its outcome.
func (a *apiClient) send(t *testing.T, request func() error) response {
	t.Helper()
	a.warnings.take()
	err := request()
	got := response{Warnings: a.warnings.take(), event: a.auditEvent(t, a.ids.last)}
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		got.Error, got.Code = status.Status().Message, status.Status().Code
	case err != nil:
		t.Fatal(err)
	}
	for key, value := range got.event.Annotations {
		webhook, key, found := strings.Cut(key, ".shmkeeper.dev/")
		if !found || key == "detail" {
			continue
		}
		if got.Notes == nil {
			got.Notes = map[string]string{}
		}
		got.Notes[webhook+"/"+key] = value
	}
	return got
}

// auditEvent returns the event of a request in the audit log.
func (a *apiClient) auditEvent(t *testing.T, id types.UID) (found auditv1.Event) {
	t.Helper()
	eventually(t, func() error {
		lines, err := a.audit.lines()
		if err != nil {
			return err
		}
		for _, line := range lines {
			if !bytes.Contains(line, []byte(id)) {
				continue
			}
			var event auditv1.Event
			if err := json.Unmarshal(line, &event); err != nil {
				return err
			}
			if event.AuditID == id && (event.Stage == auditv1.StageResponseComplete || event.Stage == auditv1.StagePanic) {
				found = event
				return nil
			}
		}
		return fmt.Errorf("the audit log does not have the request %s", id)
	})
	return found
}

// create asks for a Pod.
func (a *apiClient) create(t *testing.T, namespace string, pod *corev1.Pod, dryRun ...string) response {
	t.Helper()
	var created *corev1.Pod
	got := a.send(t, func() (err error) {
		created, err = a.kube.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: dryRun})
		return err
	})
	got.pod = created
	return got
}

// must creates a Pod and wants the answer to be as it is given. What was set up for
// it takes a moment to arrive everywhere, so it is tried by dry runs first.
func (a *apiClient) must(t *testing.T, namespace string, pod *corev1.Pod, want response) *corev1.Pod {
	t.Helper()
	eventually(t, func() error { return a.create(t, namespace, pod, metav1.DryRunAll).differs(want) })
	got := a.create(t, namespace, pod)
	if err := got.differs(want); err != nil {
		t.Fatalf("the dry run was as wanted, and the request is not: %v", err)
	}
	return got.pod
}

// differs says in what the answer is not the wanted one.
func (a response) differs(want response) error {
	type words struct {
		Error    string
		Code     int32
		Warnings []string
		Notes    map[string]string
	}
	if diff := cmp.Diff(words{want.Error, want.Code, want.Warnings, want.Notes}, words{a.Error, a.Code, a.Warnings, a.Notes}); diff != "" {
		return errors.New("(-want +got)\n" + diff)
	}
	return nil
}

// untouched returns an error if the Pod was given a volume or memory.
func untouched(asked, got *corev1.Pod) error {
	if len(got.Spec.Volumes) != len(asked.Spec.Volumes) || len(got.Annotations) != len(asked.Annotations) {
		return fmt.Errorf("the Pod has the volumes %v and the annotations %v", got.Spec.Volumes, got.Annotations)
	}
	for i := range asked.Spec.Containers {
		if diff := cmp.Diff(asked.Spec.Containers[i].Resources, got.Spec.Containers[i].Resources); diff != "" {
			return fmt.Errorf("container %q: (-want +got)\n%s", asked.Spec.Containers[i].Name, diff)
		}
		if diff := cmp.Diff(asked.Spec.Containers[i].VolumeMounts, got.Spec.Containers[i].VolumeMounts); diff != "" {
			return fmt.Errorf("container %q: (-want +got)\n%s", asked.Spec.Containers[i].Name, diff)
		}
	}
	return nil
}

// sized returns an error unless a container has a Memory emptyDir of this size at /dev/shm,
// and this memory.
func sized(pod *corev1.Pod, container, size, limit, request string) error {
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if c.Name != container {
			continue
		}
		type memory struct{ Size, Limit, Request string }
		want := memory{size, limit, request}
		got := memory{sizeAtShm(pod, c), c.Resources.Limits.Memory().String(), c.Resources.Requests.Memory().String()}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("container %q: (-want +got)\n%s", container, diff)
		}
		return nil
	}
	return fmt.Errorf("the Pod has no container %q", container)
}

func sizeAtShm(pod *corev1.Pod, c *corev1.Container) string {
	for _, m := range c.VolumeMounts {
		if m.MountPath != "/dev/shm" {
			continue
		}
		for i := range pod.Spec.Volumes {
			v := &pod.Spec.Volumes[i]
			if v.Name == m.Name && v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory && v.EmptyDir.SizeLimit != nil {
				return v.EmptyDir.SizeLimit.String()
			}
		}
		return "not a sized Memory emptyDir"
	}
	return "nothing is mounted"
}

// bytesText returns a number of bytes as the API server writes it.
func bytesText(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }

// webhookCalls returns the requests that the API server has sent to our webhooks so
// far, by its own count.
func (s *suite) webhookCalls(t *testing.T) map[string]int {
	t.Helper()
	text, err := s.kube.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, m := range webhookCount.FindAllSubmatch(text, -1) {
		n, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			t.Fatal(err)
		}
		calls[string(m[1])] += int(n)
	}
	return calls
}

var webhookCount = regexp.MustCompile(`(?m)^apiserver_admission_webhook_request_total\{[^}]*name="([^"]*shmkeeper\.dev)"[^}]*\} (\S+)$`)

// serve has these replicas alone answer, until the end of the test.
func (s *suite) serve(t *testing.T, replicas ...*install.Replica) {
	t.Helper()
	install.ServeReplicas(s.cp) // cuts the connections to those who answered before
	install.ServeReplicas(s.cp, replicas...)
	t.Cleanup(func() {
		install.ServeReplicas(s.cp)
		install.ServeReplicas(s.cp, s.replica)
		if err := s.waitTrusted(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// within is how long a request may take that waits for nobody.
const within = 10 * time.Second

// cleanupContext returns a context for cleanup, when the test's own is done.
func cleanupContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestResize_BelowWhatIsRequired(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	s.node(t)
	ns := s.namespace(t, "enforce", nil)
	a.must(t, ns, webPod("web", onNode), response{Notes: mutated("web")})
	s.running(t, ns, "web")
	resize := func(change func(*corev1.Pod)) response {
		pod, err := s.kube.CoreV1().Pods(ns).Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		change(pod)
		return a.send(t, func() error {
			_, err := a.kube.CoreV1().Pods(ns).UpdateResize(t.Context(), "web", pod, metav1.UpdateOptions{})
			return err
		})
	}
	memory := func(limit, request string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			r := &p.Spec.Containers[0].Resources
			r.Limits[corev1.ResourceMemory], r.Requests[corev1.ResourceMemory] = resource.MustParse(limit), resource.MustParse(request)
		}
	}
	size := func(size string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			q := resource.MustParse(size)
			p.Spec.Volumes[0].EmptyDir.SizeLimit = &q
		}
	}
	if !s.resizes(t, ns, memory("288Mi", "128Mi"), size("128Mi"), memory("1Gi", "512Mi"), size("512Mi")) {
		return
	}
	allowed := response{} // an update that is admitted is not noted
	refused := func(detail string) response {
		return response{Code: 403, Error: deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": `+detail)}
	}
	for _, c := range []struct {
		name   string
		change func(*corev1.Pod)
		want   response
	}{
		{"the memory limit below the memory cost and the reserve", memory("288Mi", "128Mi"), refused(`container "web" would be OOM-killed before the volume is full: ` +
			`256Mi of files at /dev/shm cost 257Mi with their kernel memory, and its memory limit is 288Mi, which must hold 32Mi for the process too ` +
			`(where the kubelet sets memoryThrottlingFactor, the writer stalls before it is killed); the files outlive it and use up the Pod's 288Mi, so each restart is OOM-killed again: ` +
			`raise the memory limit to at least 289Mi`)},
		{"the sizeLimit below the required size", size("128Mi"), refused(`container "web" mounts volume "shmkeeper-shm" of 128Mi at /dev/shm and needs 256Mi: set sizeLimit: 256Mi`)},
		{"more memory", memory("1Gi", "512Mi"), allowed},
		{"a larger sizeLimit", size("512Mi"), allowed},
	} {
		got := resize(c.change)
		if c.want.Error != "" {
			got.Notes = nil
		}
		if err := got.differs(c.want); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A size that is a part of the memory grows when the memory does. The volume of the running Pod
// does not, and that is not a reason to refuse the memory.
func TestResize_MemoryOfWhichTheSizeIsAPart(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, newPolicy("web", `{match: [{podSelector: {matchLabels: {app: web}}}], sizing: {memoryPercent: {percent: 50}}}`))
	s.node(t)
	ns := s.namespace(t, "enforce", nil)
	// 50 per cent of 512Mi.
	notes := mutated("web")
	var created *corev1.Pod
	eventually(t, func() error {
		got := a.create(t, ns, webPod("web", onNode), metav1.DryRunAll)
		if diff := cmp.Diff(notes, got.Notes); diff != "" {
			return fmt.Errorf("%s\n%s", got.Error, diff)
		}
		return nil
	})
	created = a.create(t, ns, webPod("web", onNode)).pod
	if err := sized(created, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Fatal(err)
	}
	s.running(t, ns, "web")
	change := func(limit, size string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse(limit)
			q := resource.MustParse(size)
			pod.Spec.Volumes[0].EmptyDir.SizeLimit = &q
		}
	}
	if !s.resizes(t, ns, change("2Gi", "255Mi"), change("2Gi", "256Mi")) {
		return
	}
	resize := func(limit, size string) response {
		pod, err := s.kube.CoreV1().Pods(ns).Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		change(limit, size)(pod)
		return a.send(t, func() error {
			_, err := a.kube.CoreV1().Pods(ns).UpdateResize(t.Context(), "web", pod, metav1.UpdateOptions{})
			return err
		})
	}
	smaller := resize("2Gi", "255Mi")
	if smaller.Code != 403 || !strings.Contains(smaller.Error, `container "web" mounts volume "shmkeeper-shm" of 255Mi at /dev/shm and needs `) {
		t.Errorf("more memory and a smaller sizeLimit: %d %s", smaller.Code, smaller.Error)
	}
	if err := resize("2Gi", "256Mi").differs(response{}); err != nil {
		t.Errorf("more memory: %v", err)
	}
	if err := resize("3Gi", "256Mi").differs(response{}); err != nil {
		t.Errorf("still more memory: %v", err)
	}
}

func TestEphemeralContainers_Volume(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	s.node(t)
	ns := s.namespace(t, "enforce", nil)
	a.must(t, ns, webPod("web", onNode, func(p *corev1.Pod) {
		// Elsewhere a volume without sizeLimit is not the policy's concern.
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "scratch", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory},
		}})
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}}
	}), response{Notes: mutated("web")})
	s.running(t, ns, "web")
	debug := func(c corev1.EphemeralContainerCommon) response {
		pod, err := s.kube.CoreV1().Pods(ns).Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Image = "busybox"
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: c})
		return a.send(t, func() error {
			_, err := a.kube.CoreV1().Pods(ns).UpdateEphemeralContainers(t.Context(), "web", pod, metav1.UpdateOptions{})
			return err
		})
	}
	for name, c := range map[string]corev1.EphemeralContainerCommon{
		"plain": {},
		"sized": {VolumeMounts: []corev1.VolumeMount{{Name: "shmkeeper-shm", MountPath: "/dev/shm"}}},
		// It is not a writer of the policy, which leaves alone what it writes.
		"scratch": {VolumeMounts: []corev1.VolumeMount{{Name: "scratch", MountPath: "/dev/shm"}}},
	} {
		c.Name = name
		if err := debug(c).differs(response{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const nodeName = "e2e-node"

// node makes the node to which Pods are assigned, until the end of the test.
func (s *suite) node(t *testing.T) {
	t.Helper()
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("100")}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	node, err := s.kube.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		if err := s.kube.CoreV1().Nodes().Delete(ctx, nodeName, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	node.Status.Capacity, node.Status.Allocatable = room, room
	node.Status.DeclaredFeatures = []string{"InPlacePodVerticalScalingMemoryBackedVolumes"}
	if _, err := s.kube.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// onNode assigns a Pod to a node, as a scheduler does.
func onNode(pod *corev1.Pod) { pod.Spec.NodeName = nodeName }

// running sets the status that a kubelet reports.
func (s *suite) running(t *testing.T, namespace, name string) {
	t.Helper()
	const status = `{"status":{"phase":"Running"}}`
	if _, err := s.kube.CoreV1().Pods(namespace).Patch(t.Context(), name, types.MergePatchType, []byte(status), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
}

package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestAPodThatRunsCannotBeResizedBelowWhatItNeeds(t *testing.T) {
	s, a := shared, shared.asker(t)
	s.policies(t, webPolicy())
	s.node(t)
	ns := s.namespace(t, "enforce", nil)
	a.must(t, ns, webPod("web", onNode), answer{Notes: mutated("web")})
	s.running(t, ns, "web")
	resize := func(change func(*corev1.Pod)) answer {
		pod, err := s.kube.CoreV1().Pods(ns).Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		change(pod)
		return a.ask(t, func() error {
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
	allowed := answer{Notes: judged("enforce.pods", "web", "enforce", "Compliant", "AlreadySized")}
	refused := func(detail string) answer {
		return answer{Code: 403, Error: deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": `+detail)}
	}
	for _, c := range []struct {
		name   string
		change func(*corev1.Pod)
		want   answer
	}{
		{"the memory limit below the charge", memory("256Mi", "128Mi"), refused(`container "web" would be OOM-killed before the volume is full: ` +
			`256Mi of files at /dev/shm cost 256.6Mi with their kernel memory, and its memory limit is 256Mi; raise the memory limit to at least 257Mi and what the process needs`)},
		{"the sizeLimit below the need", size("128Mi"), refused(`container "web" mounts volume "shmkeeper-shm" of 128Mi at /dev/shm and needs 256Mi; set sizeLimit: 256Mi`)},
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

func TestADebugContainerMayNotBringAnUnboundedVolume(t *testing.T) {
	s, a := shared, shared.asker(t)
	s.policies(t, webPolicy())
	s.node(t)
	ns := s.namespace(t, "enforce", nil)
	a.must(t, ns, webPod("web", onNode, func(p *corev1.Pod) {
		// Somewhere else it is nobody's business.
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "scratch", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory},
		}})
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/scratch"}}
	}), answer{Notes: mutated("web")})
	s.running(t, ns, "web")
	debug := func(c corev1.EphemeralContainerCommon) answer {
		pod, err := s.kube.CoreV1().Pods(ns).Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.Image = "busybox"
		pod.Spec.EphemeralContainers = append(pod.Spec.EphemeralContainers, corev1.EphemeralContainer{EphemeralContainerCommon: c})
		return a.ask(t, func() error {
			_, err := a.kube.CoreV1().Pods(ns).UpdateEphemeralContainers(t.Context(), "web", pod, metav1.UpdateOptions{})
			return err
		})
	}
	allowed := answer{Notes: judged("enforce.pods", "web", "enforce", "Compliant", "AlreadySized")}
	if err := debug(corev1.EphemeralContainerCommon{Name: "plain"}).differs(allowed); err != nil {
		t.Errorf("a plain one: %v", err)
	}
	sized := corev1.EphemeralContainerCommon{Name: "sized", VolumeMounts: []corev1.VolumeMount{{Name: "shmkeeper-shm", MountPath: "/dev/shm"}}}
	if err := debug(sized).differs(allowed); err != nil {
		t.Errorf("one with the volume that was added: %v", err)
	}
	unbounded := corev1.EphemeralContainerCommon{Name: "unbounded", VolumeMounts: []corev1.VolumeMount{{Name: "scratch", MountPath: "/dev/shm"}}}
	got := debug(unbounded)
	got.Notes = nil
	if err := got.differs(answer{Code: 403, Error: deniedBy("enforce.pods.shmkeeper.dev",
		`violates SharedMemoryPolicy "web": container "unbounded" mounts volume "scratch" at /dev/shm, a Memory emptyDir without sizeLimit; set sizeLimit: 256Mi`)}); err != nil {
		t.Errorf("one with an unbounded volume: %v", err)
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

// onNode is what a scheduler does.
func onNode(pod *corev1.Pod) { pod.Spec.NodeName = nodeName }

// running is what a kubelet says.
func (s *suite) running(t *testing.T, namespace, name string) {
	t.Helper()
	const status = `{"status":{"phase":"Running"}}`
	if _, err := s.kube.CoreV1().Pods(namespace).Patch(t.Context(), name, types.MergePatchType, []byte(status), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
}

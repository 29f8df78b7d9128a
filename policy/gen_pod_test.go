package policy_test

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func genPod(t *rapid.T, path string, w weights) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "pod", Namespace: "ns", Labels: map[string]string{"app": pick(t, "app", "a", "b", "c")},
		},
	}
	spec := &pod.Spec
	if odds(t, "has an init container", w.init) {
		spec.InitContainers = append(spec.InitContainers, genContainer(t, "seed", path, w))
	}
	if odds(t, "has a sidecar", w.sidecar) {
		c := genContainer(t, "proxy", path, w)
		c.RestartPolicy = ptr(corev1.ContainerRestartPolicyAlways)
		spec.InitContainers = append(spec.InitContainers, c)
	}
	spec.Containers = append(spec.Containers, genContainer(t, "web", path, w))
	if odds(t, "has a second container", w.second) {
		spec.Containers = append(spec.Containers, genContainer(t, "helper", path, w))
		if odds(t, "has a third container", w.second) {
			spec.Containers = append(spec.Containers, genContainer(t, "agent", path, w))
		}
	}
	if odds(t, "has a debug container", w.debug) {
		c := corev1.EphemeralContainer{}
		c.Name, c.Image, c.VolumeMounts = "debug", "busybox", genMounts(t, "debug", path, w)
		spec.EphemeralContainers = append(spec.EphemeralContainers, c)
	}
	genVolumes(t, pod, w)
	genFigures(t, pod, w)
	if odds(t, "uses the node's IPC", w.node) {
		spec.HostIPC = true
	}
	genAnnotations(t, pod, w)
	if odds(t, "is skipped", w.skipped) {
		if odds(t, "is on Windows", 8) {
			spec.OS = &corev1.PodOS{Name: corev1.Windows}
		} else {
			annotate(pod, "kubernetes.io/config.mirror", "x")
		}
	}
	return pod
}

// genVolumes adds the volumes that are mounted, and sometimes one more.
func genVolumes(t *rapid.T, pod *corev1.Pod, w weights) {
	mounted := map[string]bool{}
	for _, c := range everyContainer(pod) {
		for _, m := range c.VolumeMounts {
			mounted[m.Name] = true
		}
		if len(c.VolumeDevices) > 0 {
			mounted["device"] = true
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		if mounted[name] || odds(t, "has volume "+name, 1) {
			pod.Spec.Volumes = append(pod.Spec.Volumes, genVolume(t, name, w))
		}
	}
	if mounted["device"] {
		pod.Spec.Volumes = append(
			pod.Spec.Volumes,
			corev1.Volume{Name: "device", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{
					ClaimName: "device",
				},
			}},
		)
	}
	if odds(t, "has a volume with our name", 1) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, genVolume(t, "shmkeeper-shm", w))
	}
}

// genFigures gives the Pod pod-level figures and a QoS class.
func genFigures(t *rapid.T, pod *corev1.Pod, w weights) {
	switch {
	case odds(t, "is Guaranteed", w.guaranteed):
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				q := corev1.ResourceList{
					corev1.ResourceMemory: genFigure(
						t,
						list[i].Name+" guaranteed",
						w,
					), corev1.ResourceCPU: resource.MustParse("1"),
				}
				list[i].Resources = corev1.ResourceRequirements{Limits: q, Requests: q.DeepCopy()}
			}
		}
	case odds(t, "names no memory", w.nothing):
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				r := &list[i].Resources
				delete(r.Limits, corev1.ResourceMemory)
				delete(r.Requests, corev1.ResourceMemory)
				*r = trimmed(*r)
			}
		}
		return
	case odds(t, "has pod-level figures", w.podLevel):
		genPodLevel(t, pod)
	}
	if odds(t, "has overhead", 1) {
		pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("10Mi")}
	}
	if !odds(t, "is as written", w.unset) {
		fillIn(pod)
	}
}

// genPodLevel gives a Pod pod-level figures that its containers fit in.
func genPodLevel(t *rapid.T, pod *corev1.Pod) {
	var most, requested int64
	for _, c := range notEphemeral(pod) {
		limit, request := memoryLimit(&c.Resources), effectiveRequest(&c.Resources)
		most, requested = max(most, limit), requested+request
	}
	request := resource.NewQuantity(requested, resource.BinarySI)
	least := max(most, requested, mib) + pick[int64](t, "pod-level room", 0, 64<<20, 1<<30, 4<<30)
	limit := resource.NewQuantity(max(least, 1), resource.BinarySI)
	r := &corev1.ResourceRequirements{}
	switch pick(t, "pod-level figures", "limit", "both", "equal", "request") {
	case "limit":
		r.Limits = corev1.ResourceList{corev1.ResourceMemory: *limit}
	case "both":
		r.Limits = corev1.ResourceList{corev1.ResourceMemory: *limit}
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: *request}
	case "equal":
		r.Limits = corev1.ResourceList{corev1.ResourceMemory: *limit}
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: *limit}
	case "request":
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: *request}
	}
	pod.Spec.Resources = r
}

// fillIn does what an API server does before it calls a webhook: a request that is not
// written is the limit, and a pod-level request the sum of the containers' requests or else the limit.
func fillIn(pod *corev1.Pod) {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			r := &list[i].Resources
			for name, limit := range r.Limits {
				if _, found := r.Requests[name]; !found {
					if r.Requests == nil {
						r.Requests = corev1.ResourceList{}
					}
					r.Requests[name] = limit
				}
			}
		}
	}
	r := pod.Spec.Resources
	if r == nil {
		return
	}
	limit, found := r.Limits[corev1.ResourceMemory]
	if _, requested := r.Requests[corev1.ResourceMemory]; found && !requested {
		request := limit
		if anyNamesMemory(pod) {
			request = *resource.NewQuantity(podSum(pod, effectiveRequest), resource.BinarySI)
		}
		r.Requests = corev1.ResourceList{corev1.ResourceMemory: request}
	}
}

func annotate(pod *corev1.Pod, name, value string) {
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[name] = value
}

// forgeries are texts of shmkeeper.dev/injected that nobody but a forger writes, and some that an
// earlier version may have written.
var forgeries = []string{
	"{", "null", "[]", `{"memory":{"web":{"limit":-1}}}`,
	`{"volume":"a","memory":{"web":{"limit":268435456,"request":67108864,"limitAdded":268435456,"charge":9223372036854775807}}}`,
	`{"policy":"p0","volume":"shmkeeper-shm","sizeLimit":"64Mi","pod":{"limit":1073741824,"charge":0}}`,
	`{"policy":"p0","volume":"a","sizeLimit":"8Gi","memory":{"web":{"from":"1Mi","to":"8Gi"},"helper":{"limit":1}}}`,
}

func genForgeries(t *rapid.T, pod *corev1.Pod) {
	annotate(pod, v1alpha1.AnnotationInjected, pick(t, "forged record", forgeries...))
	if odds(t, "forged policy", 8) {
		annotate(
			pod,
			v1alpha1.AnnotationPolicy,
			pick(t, "forged policy name", "p0", "p1", "nobody's"),
		)
	}
	if odds(t, "unknown annotation of ours", 4) {
		annotate(
			pod,
			"shmkeeper.dev/"+pick(
				t,
				"unknown annotation",
				"source",
				"description",
				"mode",
				"size",
				"sized",
			),
			"enforce",
		)
	}
}

func genAnnotations(t *rapid.T, pod *corev1.Pod, w weights) {
	if odds(t, "has annotations", 8) {
		annotate(pod, "other", "annotation")
	}
	if odds(t, "has the units' annotation", 5) {
		annotate(pod, "units", pick(t, "units", "3", "1", "four", "-1", "10"))
	}
	if odds(t, "forged annotations of ours", w.ours) {
		genForgeries(t, pod)
	}
	if odds(t, "override annotations", w.overrides) {
		name := pick(t, "override", v1alpha1.AnnotationSizeLimit, v1alpha1.AnnotationFilesPerMinute,
			v1alpha1.AnnotationRetention, v1alpha1.AnnotationFileSize, v1alpha1.AnnotationExempt)
		annotate(
			pod,
			name,
			pick(
				t,
				"override value",
				"100Mi",
				"2Gi",
				"18",
				"24h",
				"7d",
				"-5",
				"1500",
				"1e400",
				"four",
				"",
			),
		)
	}
	if odds(t, "CRI-O's annotation", w.crio) {
		annotate(
			pod,
			pick(t, "CRI-O's", "io.kubernetes.cri-o.ShmSize", "shm-size.crio.io"),
			pick(t, "CRI-O's size", "2Gi", "100Mi", "1Gi", "32Mi", "x"),
		)
	}
	if odds(t, "VPA's annotations", w.vpa) {
		writtenByVPA(pod)
	}
}

// writtenByVPA annotates a Pod as the admission controller of the vertical autoscaler does after it
// wrote the figures of all containers.
func writtenByVPA(pod *corev1.Pod) {
	var names, updates []string
	for i, c := range pod.Spec.Containers {
		names = append(names, c.Name)
		updates = append(updates, fmt.Sprintf("container %d: memory request, memory limit", i))
	}
	annotate(pod, "vpaObservedContainers", strings.Join(names, ", "))
	annotate(pod, "vpaUpdates", "Pod resources updated by vpa: "+strings.Join(updates, "; "))
}

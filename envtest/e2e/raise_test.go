package e2e

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const noRoomFor87 = `the largest size that would fit is 87Mi: ask the namespace's administrator for more memory`

func TestLimitRange_ForbidsTheRaise(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	s.limitRange(t, ns, corev1.LimitRangeItem{
		Type: corev1.LimitTypeContainer,
		Max:  corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("600Mi")},
	})
	a.must(t, ns, webPod("web"), response{
		Code: 403,
		Error: deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": the memory of container "web" would have to be 769Mi `+
			`for a /dev/shm of 256Mi, and LimitRange "limits" allows a container at most 600Mi: `+noRoomFor87+"; "+noMountWords),
		Notes: judged("enforce.pods", "web", "enforce", "Violating", "ExceedsLimitRange"),
	})
}

// A Pod whose raise a quota does not admit is left as it is, and rejected for what is missing.
func TestQuota_DoesNotAdmitTheRaise(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	s.quota(t, ns, corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("1112Mi"), corev1.ResourceRequestsMemory: resource.MustParse("1Gi")})
	// There is room for one, and 600Mi are left if the other needs 512Mi. Only a dry run asks for the one: the quota
	// controller counts again after a Pod is deleted, from a cache that may lack the Pod created next.
	eventually(t, func() error {
		return a.create(t, ns, webPod("dry"), metav1.DryRunAll).differs(response{Notes: mutated("web")})
	})
	a.must(t, ns, webPod("other", func(p *corev1.Pod) { p.Labels["app"] = "other" }), response{})
	const noRoom = `the Pod would need 769Mi of limits.memory, of which 257Mi are for a /dev/shm of 256Mi, ` +
		`and ResourceQuota "quota" leaves 600Mi of its 1112Mi: ` + noRoomFor87
	denied := deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": `+noRoom+"; "+noMountWords)
	a.must(t, ns, webPod("web"), response{
		Code: 403, Error: denied, Notes: judged("enforce.pods", "web", "enforce", "Violating", "ExceedsQuota"),
	})

	// The owner of a workload reads it at apply time, and in an event of the ReplicaSet.
	d := deploymentOf(webPod("web"))
	got := a.send(t, func() error {
		_, err := a.kube.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{})
		return err
	})
	s.deleteDeployment(t, ns, d.Name)
	want := response{Notes: judged("templates", "web", "enforce", "Violating", "ExceedsQuota")}
	for _, one := range []string{noRoom, noMountWords} {
		want.Warnings = append(want.Warnings, `Pods of this Deployment will be rejected, because they violate SharedMemoryPolicy "web": `+one)
	}
	if err := got.differs(want); err != nil {
		t.Error(err)
	}
	eventually(t, func() error {
		events, err := s.kube.CoreV1().Events(ns).List(t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.kind=ReplicaSet,reason=FailedCreate"})
		if err != nil {
			return err
		}
		if len(events.Items) == 0 {
			return fmt.Errorf("no ReplicaSet has an event FailedCreate")
		}
		if diff := cmp.Diff("Error creating: "+denied, events.Items[0].Message); diff != "" {
			return fmt.Errorf("the event says (-want +got)\n%s", diff)
		}
		return nil
	})

	// A Pod that does not fit as its owner wrote it is left to the quota plugin.
	large := webPod("large", func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory] = resource.MustParse("601Mi")
	})
	a.must(t, ns, large, response{
		Code: 403,
		Error: `pods "large" is forbidden: exceeded quota: quota, requested: limits.memory=858Mi, ` +
			`used: limits.memory=512Mi, limited: limits.memory=1112Mi`,
		Notes: mutated("web"),
	})
}

// withPodLevelCPU gives the Pod two containers, and pod-level resources that leave
// memory out: the API server fills it in between its mutating and its validating webhooks.
func withPodLevelCPU(pod *corev1.Pod) {
	helper := *pod.Spec.Containers[0].DeepCopy()
	helper.Name = "helper"
	pod.Spec.Containers = append(pod.Spec.Containers, helper)
	pod.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}}
}

func TestPodLevelMemory_FilledIn(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	if pod := webPod("web", withPodLevelCPU); !s.knowsPodLevelResources(t, ns, pod) {
		a.dropsPodLevelResources(t, ns, pod)
		return
	}
	created := a.must(t, ns, webPod("web", withPodLevelCPU), response{Notes: mutated("web")})
	if err := sized(created, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}
	if err := sized(created, "helper", "256Mi", "512Mi", "128Mi"); err != nil {
		t.Error(err)
	}
	if got := created.Spec.Resources.Limits.Memory().Value(); got != raisedLimit+512<<20 {
		t.Errorf("the API server fills in a pod-level memory limit of %d bytes, so this test shows nothing", got)
	}
	labelled := a.send(t, func() error {
		_, err := a.kube.CoreV1().Pods(ns).Patch(t.Context(), "web", types.MergePatchType, []byte(`{"metadata":{"labels":{"touched":"yes"}}}`), metav1.PatchOptions{})
		return err
	})
	if err := labelled.differs(response{}); err != nil {
		t.Errorf("an update: %v", err)
	}

	// It is told what the raise exceeds: the two limits are 1Gi, and 257Mi more are 1281Mi.
	const noRoom = `the largest size that would fit is 255Mi: ask the namespace's administrator for more memory`
	limited := s.namespace(t, "enforce", nil)
	s.quota(t, limited, corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("1280Mi")})
	a.must(t, limited, webPod("web", withPodLevelCPU), response{
		Code: 403,
		Error: deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": the Pod would need 1281Mi of limits.memory, of which 257Mi are `+
			`for a /dev/shm of 256Mi, and ResourceQuota "quota" leaves 1280Mi of its 1280Mi: `+noRoom+"; "+noMountWords),
		Notes: judged("enforce.pods", "web", "enforce", "Violating", "ExceedsQuota"),
	})
	bounded := s.namespace(t, "enforce", nil)
	s.limitRange(t, bounded, corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1280Mi")}})
	a.must(t, bounded, webPod("web", withPodLevelCPU), response{
		Code: 403,
		Error: deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": the Pod's memory would have to be 1281Mi for a /dev/shm of 256Mi, `+
			`and LimitRange "limits" allows a Pod at most 1280Mi: `+noRoom+"; "+noMountWords),
		Notes: judged("enforce.pods", "web", "enforce", "Violating", "ExceedsLimitRange"),
	})

	// If nothing is enforced, the warning says the same.
	warned := s.namespace(t, "warn", nil)
	a.must(t, warned, webPod("web", withPodLevelCPU), response{
		Warnings: []string{`would violate SharedMemoryPolicy "web", which in mode enforce adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web", "helper", ` +
			`raises the memory limit of "web" from 512Mi to 769Mi and its request from 128Mi to 384Mi`},
		Notes: judged("report.pods", "web", "warn", "Mutated", "AddVolume"),
	})
}

// A pod-level limit that its owner wrote is raised with that of the writer, even if it is the one
// that an API server would have filled in.
func TestPodLevelMemory_WrittenByItsOwner(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	pod := webPod("web", func(p *corev1.Pod) {
		p.Spec.Resources = p.Spec.Containers[0].Resources.DeepCopy()
	})
	if !s.knowsPodLevelResources(t, ns, pod) {
		a.dropsPodLevelResources(t, ns, pod)
		return
	}
	created := a.must(t, ns, pod, response{Notes: mutated("web")})
	if err := sized(created, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}
	want := corev1.ResourceRequirements{
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(bytesText(raisedLimit))},
		Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(bytesText(raisedRequest))},
	}
	if diff := cmp.Diff(&want, created.Spec.Resources); diff != "" {
		t.Errorf("pod-level resources (-want +got):\n%s", diff)
	}
}

func TestQuota_InAWarning(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "warn", nil)
	s.quota(t, ns, corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("600Mi")})
	const would = `would violate SharedMemoryPolicy "web": `
	a.must(t, ns, webPod("web"), response{
		Warnings: []string{
			would + `the Pod would need 769Mi of limits.memory, of which 257Mi are for a /dev/shm of 256Mi, ` +
				`and ResourceQuota "quota" leaves 600Mi of its 600Mi: ` + noRoomFor87,
			would + noMountWords,
		},
		Notes: judged("report.pods", "web", "warn", "Violating", "ExceedsQuota"),
	})
}

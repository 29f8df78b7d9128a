package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestWarnWorkloads_Deployment(t *testing.T) {
	s, a := shared, shared.asker(t)
	s.policies(t, webPolicy())
	ns, unlabelled := s.namespace(t, "enforce", nil), s.namespace(t, "", nil)
	refused := deploymentOf(webPod("refused", onDisk))
	changed := deploymentOf(webPod("changed"))
	warned := map[string]string{
		"refused": `Pods of this Deployment will be rejected, because they violate SharedMemoryPolicy "web": ` + diskDetail,
		"changed": `Pods of this Deployment will be changed by SharedMemoryPolicy "web", which ` + changeWords,
	}
	for _, d := range []*appsv1.Deployment{refused, changed} {
		create := func(ns string, dryRun ...string) answer {
			return a.ask(t, func() error {
				_, err := a.kube.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{DryRun: dryRun})
				return err
			})
		}
		want := answer{Warnings: []string{warned[d.Name]}, Notes: judged("templates", "web", "enforce", "Violating", "NotMemory")}
		if d == changed {
			want.Notes = judged("templates", "web", "enforce", "Mutated", "AddVolume")
		}
		eventually(t, func() error { return create(ns, metav1.DryRunAll).differs(want) })
		if err := create(ns).differs(want); err != nil {
			t.Fatal(err)
		}
		s.deleteDeployment(t, ns, d.Name)
		if err := create(unlabelled).differs(answer{}); err != nil {
			t.Fatal(err)
		}
		s.deleteDeployment(t, unlabelled, d.Name)
		with, without := s.deployment(t, ns, d.Name), s.deployment(t, unlabelled, d.Name)
		if diff := cmp.Diff(without.Spec, with.Spec); diff != "" {
			t.Errorf("Deployment %q (-without label +in mode enforce):\n%s", d.Name, diff)
		}
		for key := range with.Annotations {
			if strings.Contains(key, "shmkeeper.dev") {
				t.Errorf("Deployment %q has the annotation %s", d.Name, key)
			}
		}
	}

	// The Pods fare as was said, and the owner of the Deployment reads why.
	eventually(t, func() error {
		d := s.deployment(t, ns, "refused")
		for _, c := range d.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure {
				if !strings.HasSuffix(c.Message, refusedForDisk("web")) {
					return fmt.Errorf("the Deployment says %q", c.Message)
				}
				return nil
			}
		}
		return fmt.Errorf("the Deployment has no condition ReplicaFailure: %+v", d.Status.Conditions)
	})
	pod := s.rolledPod(t, ns, "changed")
	if err := sized(pod, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}

	// Scaling it is not news.
	scaled := a.ask(t, func() error {
		_, err := a.kube.AppsV1().Deployments(ns).Patch(t.Context(), "changed", types.MergePatchType, []byte(`{"spec":{"replicas":2}}`), metav1.PatchOptions{})
		return err
	})
	if err := scaled.differs(answer{}); err != nil {
		t.Error(err)
	}
}

func TestDeployment_LikeAuthentiks(t *testing.T) {
	s, a := shared, shared.asker(t)
	s.policies(t, libraryPolicy(t, "authentik-proxy-outposts"))
	ns := s.namespace(t, "enforce", nil)
	s.limitRange(t, ns, corev1.LimitRangeItem{
		Type:           corev1.LimitTypeContainer,
		Default:        corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		DefaultRequest: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
	})
	outpost := newPod(`
metadata:
  name: ak-outpost-proxy
  labels:
    app.kubernetes.io/name: authentik-outpost-proxy
    app.kubernetes.io/managed-by: goauthentik.io
    app.kubernetes.io/version: 2026.2.2
    goauthentik.io/outpost-name: proxy
    goauthentik.io/outpost-uuid: 7fd9b5e4a1f74d1cbc0e4bd6a3a8e7d1
    goauthentik.io/outpost-type: proxy
spec:
  securityContext: {seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: proxy
    image: ghcr.io/goauthentik/proxy:2026.2.2
    ports: [{containerPort: 9000, name: http}, {containerPort: 9443, name: https}, {containerPort: 9300, name: http-metrics}]
    env: [{name: AUTHENTIK_TOKEN, valueFrom: {secretKeyRef: {name: ak-outpost-proxy-api, key: token}}}]
    securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`)
	// The policy, the label and the LimitRange have arrived when a Pod comes out right.
	right := func(pod *corev1.Pod) error {
		return sized(pod, "proxy", "897Mi", "1420Mi", pod.Spec.Containers[0].Resources.Requests.Memory().String())
	}
	eventually(t, func() error {
		got := a.create(t, ns, outpost, metav1.DryRunAll)
		if got.Error != "" {
			return fmt.Errorf("%s", got.Error)
		}
		return right(got.pod)
	})

	if _, err := a.kube.AppsV1().Deployments(ns).Create(t.Context(), deploymentOf(outpost), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.deleteDeployment(t, ns, outpost.Name)
	pod := s.rolledPod(t, ns, outpost.Name)
	if err := right(pod); err != nil {
		t.Error(err)
	}
	if owner := metav1.GetControllerOf(pod); owner == nil || owner.Kind != "ReplicaSet" {
		t.Errorf("the Pod is owned by %+v", owner)
	}
	if got := pod.Annotations[v1alpha1.AnnotationPolicy]; got != "authentik-proxy-outposts" {
		t.Errorf("the Pod names the policy %q", got)
	}
}

const noRoomFor87 = `the largest size that would fit is 87Mi: ask the namespace's administrator for more memory`

func TestLimitRange_ForbidsTheRaise(t *testing.T) {
	s, a := shared, shared.asker(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	s.limitRange(t, ns, corev1.LimitRangeItem{
		Type: corev1.LimitTypeContainer,
		Max:  corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("600Mi")},
	})
	a.must(t, ns, webPod("web"), answer{
		Code: 403,
		Error: deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": the memory of container "web" would have to be 769Mi `+
			`for a /dev/shm of 256Mi, and LimitRange "limits" allows a container at most 600Mi: `+noRoomFor87+"; "+noMountWords),
		Notes: judged("enforce.pods", "web", "enforce", "Violating", "ExceedsLimitRange"),
	})
}

// A Pod whose raise a quota does not admit is left as it is, and rejected for what is missing.
func TestQuota_DoesNotAdmitTheRaise(t *testing.T) {
	s, a := shared, shared.asker(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	s.quota(t, ns, corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("1112Mi"), corev1.ResourceRequestsMemory: resource.MustParse("1Gi")})
	// There is room for one, and 600Mi are left if the other needs 512Mi. Only a dry run asks for the one: the quota
	// controller counts again after a Pod is deleted, from a cache that may lack the Pod created next.
	eventually(t, func() error {
		return a.create(t, ns, webPod("dry"), metav1.DryRunAll).differs(answer{Notes: mutated("web")})
	})
	a.must(t, ns, webPod("other", func(p *corev1.Pod) { p.Labels["app"] = "other" }), answer{})
	const noRoom = `the Pod would need 769Mi of limits.memory, of which 257Mi are for a /dev/shm of 256Mi, ` +
		`and ResourceQuota "quota" leaves 600Mi of its 1112Mi: ` + noRoomFor87
	denied := deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": `+noRoom+"; "+noMountWords)
	a.must(t, ns, webPod("web"), answer{
		Code: 403, Error: denied, Notes: judged("enforce.pods", "web", "enforce", "Violating", "ExceedsQuota"),
	})

	// The owner of a workload reads it at apply time, and in an event of the ReplicaSet.
	d := deploymentOf(webPod("web"))
	got := a.ask(t, func() error {
		_, err := a.kube.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{})
		return err
	})
	s.deleteDeployment(t, ns, d.Name)
	want := answer{Notes: judged("templates", "web", "enforce", "Violating", "ExceedsQuota")}
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
	a.must(t, ns, large, answer{
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
	s, a := shared, shared.asker(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	created := a.must(t, ns, webPod("web", withPodLevelCPU), answer{Notes: mutated("web")})
	if err := sized(created, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}
	if err := sized(created, "helper", "256Mi", "512Mi", "128Mi"); err != nil {
		t.Error(err)
	}
	if got := created.Spec.Resources.Limits.Memory().Value(); got != raisedLimit+512<<20 {
		t.Errorf("the API server fills in a pod-level memory limit of %d bytes, so this test shows nothing", got)
	}
	labelled := a.ask(t, func() error {
		_, err := a.kube.CoreV1().Pods(ns).Patch(t.Context(), "web", types.MergePatchType, []byte(`{"metadata":{"labels":{"touched":"yes"}}}`), metav1.PatchOptions{})
		return err
	})
	if err := labelled.differs(answer{}); err != nil {
		t.Errorf("an update: %v", err)
	}

	// It is told what the raise exceeds: the two limits are 1Gi, and 257Mi more are 1281Mi.
	const noRoom = `the largest size that would fit is 255Mi: ask the namespace's administrator for more memory`
	limited := s.namespace(t, "enforce", nil)
	s.quota(t, limited, corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("1280Mi")})
	a.must(t, limited, webPod("web", withPodLevelCPU), answer{
		Code: 403,
		Error: deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": the Pod would need 1281Mi of limits.memory, of which 257Mi are `+
			`for a /dev/shm of 256Mi, and ResourceQuota "quota" leaves 1280Mi of its 1280Mi: `+noRoom+"; "+noMountWords),
		Notes: judged("enforce.pods", "web", "enforce", "Violating", "ExceedsQuota"),
	})
	bounded := s.namespace(t, "enforce", nil)
	s.limitRange(t, bounded, corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1280Mi")}})
	a.must(t, bounded, webPod("web", withPodLevelCPU), answer{
		Code: 403,
		Error: deniedBy("enforce.pods.shmkeeper.dev", `violates SharedMemoryPolicy "web": the Pod's memory would have to be 1281Mi for a /dev/shm of 256Mi, `+
			`and LimitRange "limits" allows a Pod at most 1280Mi: `+noRoom+"; "+noMountWords),
		Notes: judged("enforce.pods", "web", "enforce", "Violating", "ExceedsLimitRange"),
	})

	// If nothing is enforced, the warning says the same.
	warned := s.namespace(t, "warn", nil)
	a.must(t, warned, webPod("web", withPodLevelCPU), answer{
		Warnings: []string{`would violate SharedMemoryPolicy "web", which in mode enforce adds a Memory emptyDir of 256Mi and mounts it at /dev/shm in "web", "helper", ` +
			`raises the memory limit of "web" from 512Mi to 769Mi and its request from 128Mi to 384Mi`},
		Notes: judged("report.pods", "web", "warn", "Mutated", "AddVolume"),
	})
}

// A pod-level limit that its owner wrote is raised with that of the writer, even if it is the one
// that an API server would have filled in.
func TestPodLevelMemory_WrittenByItsOwner(t *testing.T) {
	s, a := shared, shared.asker(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "enforce", nil)
	created := a.must(t, ns, webPod("web", func(p *corev1.Pod) {
		p.Spec.Resources = p.Spec.Containers[0].Resources.DeepCopy()
	}), answer{Notes: mutated("web")})
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
	s, a := shared, shared.asker(t)
	s.policies(t, webPolicy())
	ns := s.namespace(t, "warn", nil)
	s.quota(t, ns, corev1.ResourceList{corev1.ResourceLimitsMemory: resource.MustParse("600Mi")})
	const would = `would violate SharedMemoryPolicy "web": `
	a.must(t, ns, webPod("web"), answer{
		Warnings: []string{
			would + `the Pod would need 769Mi of limits.memory, of which 257Mi are for a /dev/shm of 256Mi, ` +
				`and ResourceQuota "quota" leaves 600Mi of its 600Mi: ` + noRoomFor87,
			would + noMountWords,
		},
		Notes: judged("report.pods", "web", "warn", "Violating", "ExceedsQuota"),
	})
}

func deploymentOf(pod *corev1.Pod) *appsv1.Deployment {
	selector := map[string]string{}
	for _, key := range []string{"app", "goauthentik.io/outpost-uuid"} {
		if value, found := pod.Labels[key]; found {
			selector[key] = value
		}
	}
	selector["deployment"] = pod.Name
	meta := *pod.ObjectMeta.DeepCopy()
	meta.Name, meta.Labels["deployment"] = "", pod.Name
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Labels: pod.Labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{ObjectMeta: meta, Spec: *pod.Spec.DeepCopy()},
		},
	}
}

func (s *suite) deployment(t *testing.T, namespace, name string) *appsv1.Deployment {
	t.Helper()
	d, err := s.kube.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// deleteDeployment deletes one at the end of the test, and waits until nothing
// creates Pods for it any more.
func (s *suite) deleteDeployment(t *testing.T, namespace, name string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		foreground := metav1.DeletePropagationForeground
		if err := s.kube.AppsV1().Deployments(namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
			t.Error(err)
			return
		}
		if err := poll(ctx, time.Minute, func() error {
			_, err := s.kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("Deployment %q is still there: %w", name, err)
		}); err != nil {
			t.Error(err)
		}
	})
}

// rolledPod returns the first Pod that the controllers make for a Deployment.
func (s *suite) rolledPod(t *testing.T, namespace, deployment string) (pod *corev1.Pod) {
	t.Helper()
	eventually(t, func() error {
		list, err := s.kube.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "deployment=" + deployment})
		if err != nil {
			return err
		}
		if len(list.Items) == 0 {
			return fmt.Errorf("Deployment %q has no Pod: %+v", deployment, s.deployment(t, namespace, deployment).Status)
		}
		pod = &list.Items[0]
		return nil
	})
	return pod
}

func (s *suite) limitRange(t *testing.T, namespace string, item corev1.LimitRangeItem) {
	t.Helper()
	l := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "limits"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}}
	if _, err := s.kube.CoreV1().LimitRanges(namespace).Create(t.Context(), l, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) quota(t *testing.T, namespace string, hard corev1.ResourceList) {
	t.Helper()
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "quota"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}
	if _, err := s.kube.CoreV1().ResourceQuotas(namespace).Create(t.Context(), q, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// libraryPolicy returns a policy of the library.
func libraryPolicy(t *testing.T, name string) v1alpha1.SharedMemoryPolicy {
	t.Helper()
	for _, f := range policies.All() {
		if f.Name != name {
			continue
		}
		var p v1alpha1.SharedMemoryPolicy
		if err := yaml.UnmarshalStrict(f.YAML, &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Fatalf("the library has no policy %q", name)
	return v1alpha1.SharedMemoryPolicy{}
}

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

func TestWarnWorkloads_Deployment(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, webPolicy())
	ns, unlabelled := s.namespace(t, "enforce", nil), s.namespace(t, "", nil)
	refused := deploymentOf(webPod("refused", onDisk))
	changed := deploymentOf(webPod("changed"))
	warned := map[string]string{
		"refused": `Pods of this Deployment will be rejected, because they violate SharedMemoryPolicy "web": ` + diskDetail,
		"changed": `Pods of this Deployment will be changed by SharedMemoryPolicy "web", which ` + changeWords,
	}
	for _, d := range []*appsv1.Deployment{refused, changed} {
		create := func(ns string, dryRun ...string) response {
			return a.send(t, func() error {
				_, err := a.kube.AppsV1().Deployments(ns).Create(t.Context(), d, metav1.CreateOptions{DryRun: dryRun})
				return err
			})
		}
		want := response{Warnings: []string{warned[d.Name]}, Notes: judged("templates", "web", "enforce", "Violating", "NotMemory")}
		if d == changed {
			want.Notes = judged("templates", "web", "enforce", "Mutated", "AddVolume")
		}
		eventually(t, func() error { return create(ns, metav1.DryRunAll).differs(want) })
		if err := create(ns).differs(want); err != nil {
			t.Fatal(err)
		}
		s.deleteDeployment(t, ns, d.Name)
		if err := create(unlabelled).differs(response{}); err != nil {
			t.Fatal(err)
		}
		s.deleteDeployment(t, unlabelled, d.Name)
		s.sameDeployment(t, d.Name, ns, unlabelled)
	}

	// The Pods fare as was said, and the owner of the Deployment reads why.
	eventually(t, func() error {
		return failsWith(s.deployment(t, ns, "refused"), refusedForDisk("web"))
	})
	pod := s.rolledPod(t, ns, "changed")
	if err := sized(pod, "web", "256Mi", bytesText(raisedLimit), bytesText(raisedRequest)); err != nil {
		t.Error(err)
	}

	// Scaling it is not news.
	scaled := a.send(t, func() error {
		_, err := a.kube.AppsV1().Deployments(ns).Patch(t.Context(), "changed", types.MergePatchType, []byte(`{"spec":{"replicas":2}}`), metav1.PatchOptions{})
		return err
	})
	if err := scaled.differs(response{}); err != nil {
		t.Error(err)
	}
}

// sameDeployment checks that a Deployment in a namespace in mode enforce is the same as in one
// without a label.
func (s *suite) sameDeployment(t *testing.T, name, enforced, unlabelled string) {
	t.Helper()
	with, without := s.deployment(t, enforced, name), s.deployment(t, unlabelled, name)
	if diff := cmp.Diff(without.Spec, with.Spec); diff != "" {
		t.Errorf("Deployment %q (-without label +in mode enforce):\n%s", name, diff)
	}
	for key := range with.Annotations {
		if strings.Contains(key, "shmkeeper.dev") {
			t.Errorf("Deployment %q has the annotation %s", name, key)
		}
	}
}

// failsWith returns an error unless the Deployment's ReplicaSet fails with a message that ends so.
func failsWith(d *appsv1.Deployment, message string) error {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure {
			if !strings.HasSuffix(c.Message, message) {
				return fmt.Errorf("the Deployment says %q", c.Message)
			}
			return nil
		}
	}
	return fmt.Errorf("the Deployment has no condition ReplicaFailure: %+v", d.Status.Conditions)
}

func TestDeployment_LikeAuthentiks(t *testing.T) {
	s, a := shared, shared.apiClient(t)
	s.policies(t, libraryPolicy(t, "authentik-proxy-outposts"))
	ns := s.namespace(t, "enforce", nil)
	s.limitRange(t, ns, corev1.LimitRangeItem{
		Type:           corev1.LimitTypeContainer,
		Default:        corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		DefaultRequest: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")},
	})
	outpost := policytest.ParsePod(`
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

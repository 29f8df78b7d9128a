package e2e

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/manifests/policies"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

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

// deleteDeployment deletes one at the end of the test. Once that is done for all Deployments of the test, it
// waits until nothing creates Pods for them any more.
func (s *suite) deleteDeployment(t *testing.T, namespace, name string) {
	t.Helper()
	deployments := s.kube.AppsV1().Deployments(namespace)
	if _, waits := s.waiting.LoadOrStore(t, true); !waits {
		t.Cleanup(func() { s.waitDeleted(t) }) // after all others
	}
	t.Cleanup(func() {
		foreground := metav1.DeletePropagationForeground
		ctx, cancel := cleanupContext()
		defer cancel()
		if err := deployments.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
			t.Error(err)
		}
	})
}

// waitDeleted waits until no Deployment is left that is being deleted.
func (s *suite) waitDeleted(t *testing.T) {
	t.Helper()
	ctx, cancel := cleanupContext()
	defer cancel()
	if err := poll(ctx, time.Minute, func() error {
		list, err := s.kube.AppsV1().Deployments(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range list.Items {
			if d := &list.Items[i]; d.DeletionTimestamp != nil {
				return fmt.Errorf("Deployment %q is still there", d.Name)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
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

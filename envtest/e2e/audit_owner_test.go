package e2e

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

// A Deployment whose Pods violate their policy gets one event, which kubectl describe shows: it is about the
// Deployment and not about its ReplicaSet.
func TestAudit_EventIsAboutTheDeployment(t *testing.T) {
	s := shared
	ns := s.namespace(t, "audit", nil)
	labels := map[string]string{"app": "owned"}
	pod := policytest.NewPod("", policytest.Labels(labels), policytest.WithContainer("c", "registry.example.org/app:1", policytest.MemoryLimit("1Gi")))
	deployment, err := s.kube.AppsV1().Deployments(ns).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "owned"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod.Spec},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		list, err := s.kube.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
		if err == nil && len(list.Items) < 3 {
			err = fmt.Errorf("there are %d Pods", len(list.Items))
		}
		return err
	})
	s.policies(t, newPolicy("owned", "{match: [{podSelector: {matchLabels: {app: owned}}}], sizing: {fixed: {size: 256Mi}}}"))
	var found []corev1.Event
	eventually(t, func() error {
		list, err := s.kube.CoreV1().Events(ns).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=PodsViolatePolicy"})
		if err != nil {
			return err
		}
		if found = list.Items; len(found) == 0 {
			return fmt.Errorf("there is no event")
		}
		return nil
	})
	e := found[0]
	if len(found) != 1 || e.InvolvedObject.Kind != "Deployment" || e.InvolvedObject.Name != "owned" || e.InvolvedObject.UID != deployment.UID {
		t.Errorf("%d events, the first about %+v, want one about Deployment %q", len(found), e.InvolvedObject, deployment.UID)
	}
	if want := `SharedMemoryPolicy "owned" is violated by 3 running Pods: container "c" mounts nothing at /dev/shm`; !strings.HasPrefix(e.Message, want) || e.Type != corev1.EventTypeWarning {
		t.Errorf("%s: %q, want it to begin with %q", e.Type, e.Message, want)
	}
}

// The server's account may do what the audit needs and not more: kubectl auth can-i says so.
func TestAudit_Rights(t *testing.T) {
	shared.checkRights(t, map[string]string{
		"list pods --all-namespaces":                               "yes",
		"get replicasets.apps":                                     "yes",
		"watch pods --all-namespaces":                              "no",
		"get pods":                                                 "no",
		"delete pods":                                              "no",
		"get pods --subresource=log":                               "no",
		"create pods --subresource=exec":                           "no",
		"get pods --subresource=exec":                              "no",
		"create pods --subresource=ephemeralcontainers":            "no",
		"get nodes --subresource=proxy":                            "no",
		"create nodes --subresource=proxy":                         "no",
		"list nodes":                                               "no",
		"get secrets":                                              "no",
		"list secrets --all-namespaces":                            "no",
		"get secrets/another -n " + install.Namespace:              "no",
		"get secrets/shmkeeper-ca -n " + install.Namespace:         "yes",
		"patch configmaps/shmkeeper-audit -n " + install.Namespace: "yes",
		"patch configmaps/another -n " + install.Namespace:         "no",
		"patch namespaces":                                         "no",
	})
}

// checkRights asks kubectl what the server's account may do.
func (s *suite) checkRights(t *testing.T, answers map[string]string) {
	t.Helper()
	account := "system:serviceaccount:" + install.Namespace + ":" + install.ServiceAccount
	for question, want := range answers {
		// It exits with 1 when it says no.
		text, err := s.cp.Kubectl(t.Context(), append([]string{"auth", "can-i", "--as=" + account}, strings.Fields(question)...)...)
		if got := strings.TrimSpace(text); got != want {
			t.Errorf("can-i %s: %s, want %s: %v", question, got, want, err)
		}
	}
}

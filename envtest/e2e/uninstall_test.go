package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The server runs while it is uninstalled, and must not put back what kubectl takes
// away: nothing that is left may refuse a Pod, or keep the namespace from going.
func TestUninstall_LeavesNothingThatBlocks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := ownSuite(t, envtest.Options{AuditPolicy: envtest.AuditNone})
	if err := install.Apply(ctx, s.cp, "default"); err != nil {
		t.Fatal(err)
	}
	replica, err := install.StartReplica(ctx, s.cp, s.program, s.dir, "leaving")
	if err != nil {
		t.Fatal(err)
	}
	install.ServeReplicas(s.cp, replica)
	if err := s.waitTrusted(ctx); err != nil {
		t.Fatal(err)
	}
	s.policies(t, newPolicy("check", "{match: [{podSelector: {}}], sizing: {fixed: {size: 64Mi}}, mutation: Disabled}"))
	ns := s.namespace(t, "enforce", nil)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: ns}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}}}
	if _, err := s.kube.CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("before the removal the Pod has to be refused: %v", err)
	}

	root, err := envtest.Root(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.cp.Kubectl(ctx, "delete", "-k", filepath.Join(root, "manifests", "default"), "--ignore-not-found", "--timeout=2m"); err != nil {
		t.Fatal(err)
	}
	// A kubelet ends the Pods of the Deployment now.
	if err := replica.Stop(); err != nil {
		t.Error(err)
	}
	install.ServeReplicas(s.cp)

	if err := poll(ctx, time.Minute, func() error { return nothingLeft(ctx, s) }); err != nil {
		t.Error(err)
	}
	// The API server has a watch of its own on the webhook configurations.
	eventually(t, func() error {
		if _, err := s.kube.CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("after the removal the Pod is refused: %w", err)
		}
		return nil
	})
}

func nothingLeft(ctx context.Context, s *suite) error {
	admission := s.kube.AdmissionregistrationV1()
	for what, get := range map[string]func() error{
		"the mutating webhook configuration": func() error {
			_, err := admission.MutatingWebhookConfigurations().Get(ctx, "shmkeeper", metav1.GetOptions{})
			return err
		},
		"the validating webhook configuration": func() error {
			_, err := admission.ValidatingWebhookConfigurations().Get(ctx, "shmkeeper", metav1.GetOptions{})
			return err
		},
		"the namespace": func() error {
			_, err := s.kube.CoreV1().Namespaces().Get(ctx, install.Namespace, metav1.GetOptions{})
			return err
		},
		"the policies": func() error {
			return s.client.List(ctx, &v1alpha1.SharedMemoryPolicyList{})
		},
	} {
		if err := get(); err == nil {
			return fmt.Errorf("%s is still there", what)
		}
	}
	return nil
}

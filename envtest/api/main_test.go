package api

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// The tests share the control plane, and each has a policy of its own.
var (
	plane      *envtest.ControlPlane
	kubeClient client.Client
	minor      int // 30 for Kubernetes 1.30
)

// newest is the minor version that the tests are written for. An older API server has other words in places.
const newest = 37

func TestMain(m *testing.M) { os.Exit(envtest.RunTests(m, start)) }

// start starts the control plane, with the CRD.
func start(ctx context.Context) (stop func() error, err error) {
	ctrllog.SetLogger(logr.Discard()) // or controller-runtime prints a stack about it
	plane, err = envtest.Start(ctx, envtest.Options{
		AuditPolicy:              envtest.AuditNone,
		WithoutControllerManager: true,
	})
	if err != nil {
		return nil, err
	}
	if minor, err = plane.Programs.Minor(ctx); err != nil {
		return plane.Stop, err
	}
	root, err := envtest.Root(ctx)
	if err != nil {
		return plane.Stop, err
	}
	crd := filepath.Join(root, "manifests", "crd")
	if _, err := plane.Kubectl(ctx, "apply", "-k", crd); err != nil {
		return plane.Stop, err
	}
	_, err = plane.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=60s",
		"crd/sharedmemorypolicies.shmkeeper.dev")
	if err != nil {
		return plane.Stop, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return plane.Stop, err
	}
	if kubeClient, err = client.New(plane.Config, client.Options{Scheme: scheme}); err != nil {
		return plane.Stop, err
	}
	return plane.Stop, nil
}

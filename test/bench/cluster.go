package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/envtest/install"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// cluster is the control plane with everything installed that is measured.
type cluster struct {
	cp      *envtest.ControlPlane
	kube    kubernetes.Interface
	dir     string
	replica *install.Replica
	floor   *floor
	pids    map[string]int // by the names below
}

// The processes whose processor time is counted.
const (
	apiServer = "API server"
	etcd      = "etcd"
	ours      = "shmkeeper"
	floorName = "floor"
)

// The floor's Service.
const floorNamespace, floorService = "bench-floor", "floor"

// startCluster starts a control plane without controllers or an audit log, with shmkeeper, its
// policy library and the floor in it. Its files are below a folder.
func startCluster(ctx context.Context, dir string) (_ *cluster, err error) {
	cp, err := envtest.Start(ctx, envtest.Options{WithoutControllerManager: true, AuditPolicy: envtest.AuditNone})
	if err != nil {
		return nil, err
	}
	c := &cluster{cp: cp, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	config := rest.CopyConfig(cp.Config)
	config.WarningHandler = rest.NoWarnings{}
	if c.kube, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	if err := c.startShmkeeper(ctx); err != nil {
		return nil, err
	}
	if c.floor, err = startFloor(ctx, dir, floorService+"."+floorNamespace+".svc"); err != nil {
		return nil, err
	}
	if err := c.serveFloor(ctx); err != nil {
		return nil, err
	}
	c.pids = map[string]int{ours: c.replica.Pid(), floorName: c.floor.pid()}
	for name, program := range map[string]string{apiServer: "kube-apiserver", etcd: "etcd"} {
		if c.pids[name], err = child(program); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// startShmkeeper installs the manifests and the policy library, with one server under the memory
// limit that the manifests give it. It restores no webhook configuration, so that one namespace
// can be left out of one.
func (c *cluster) startShmkeeper(ctx context.Context) error {
	program, err := install.Build(ctx, c.dir)
	if err != nil {
		return err
	}
	if err := install.Apply(ctx, c.cp, "default"); err != nil {
		return err
	}
	if _, err := c.cp.Kubectl(ctx, "wait", "--for=condition=Established", "crd/sharedmemorypolicies.shmkeeper.dev"); err != nil {
		return err
	}
	if err := os.Setenv("GOMEMLIMIT", "256000000"); err != nil {
		return err
	}
	c.replica, err = install.StartReplica(ctx, c.cp, program, c.dir, "shmkeeper", "--restore-webhooks=false")
	if err := errors.Join(err, os.Unsetenv("GOMEMLIMIT")); err != nil {
		return err
	}
	install.ServeReplicas(c.cp, c.replica)
	root, err := envtest.Root(ctx)
	if err != nil {
		return err
	}
	return eventually(ctx, func(ctx context.Context) error {
		_, err := c.cp.Kubectl(ctx, "apply", "-k", filepath.Join(root, "manifests", "policies"))
		return err
	})
}

// serveFloor creates the floor's Service.
func (c *cluster) serveFloor(ctx context.Context) error {
	if err := c.namespace(ctx, floorNamespace, ""); err != nil {
		return err
	}
	_, err := c.kube.CoreV1().Services(floorNamespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: floorService},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}},
	}, metav1.CreateOptions{})
	c.cp.ServeService(floorNamespace, floorService, 443, c.floor.Address)
	return err
}

// namespace creates a namespace in a mode, or without one.
func (c *cluster) namespace(ctx context.Context, name, mode string) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if mode != "" {
		ns.Labels = map[string]string{v1alpha1.LabelMode: mode}
	}
	_, err := c.kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	return err
}

// ourCA returns the certificates by which the API server knows shmkeeper.
func (c *cluster) ourCA(ctx context.Context) ([]byte, error) {
	var found *admissionregistrationv1.MutatingWebhookConfiguration
	err := eventually(ctx, func(ctx context.Context) (err error) {
		found, err = c.kube.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "shmkeeper", metav1.GetOptions{})
		if err == nil && len(found.Webhooks[0].ClientConfig.CABundle) == 0 {
			err = errors.New("the webhook configuration has no caBundle yet")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found.Webhooks[0].ClientConfig.CABundle, nil
}

// cpu returns the processor time that each process has used.
func (c *cluster) cpu() (map[string]time.Duration, error) {
	out := map[string]time.Duration{}
	for name, pid := range c.pids {
		used, err := cpuTime(pid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = used
	}
	return out, nil
}

// stop ends everything.
func (c *cluster) stop() error {
	var errs []error
	if c.floor != nil {
		errs = append(errs, c.floor.stop())
	}
	if c.replica != nil {
		errs = append(errs, c.replica.Kill())
	}
	return errors.Join(append(errs, c.cp.Stop())...)
}

// eventually tries until there is no error, for a minute, and returns the last one otherwise.
func eventually(ctx context.Context, try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := try(ctx)
		if ctx.Err() == nil { // otherwise the error only says that the time is over
			last = err
		}
		return err == nil, nil
	})
	if err != nil {
		return errors.Join(last, err)
	}
	return nil
}

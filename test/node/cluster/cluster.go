//go:build linux

// Package cluster runs a whole cluster of one node on this machine: the control plane of package
// envtest, kube-scheduler, containerd, the CNI plugins and a kubelet. Pods of it are real. It needs
// the namespaces of package isolate, and root.
package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
)

// NodeName is the name of the one node.
const NodeName = "node"

// Options say what the cluster is made of.
type Options struct {
	Runtime Runtime
	// PauseImage is the name of the image of each Pod's sandbox. It must be among Images.
	PauseImage string
	// Images are archives of images that containerd imports.
	Images []string
	// Layouts are OCI layouts that containerd imports.
	Layouts []Layout
	// FeatureGates are set in the control plane and in the kubelet.
	FeatureGates map[string]bool
	// LogDir is where the programs' logs and the audit log are left.
	LogDir string
	// Progress is told what takes long.
	Progress io.Writer
}

// Layout is an OCI layout of one image, in a tar archive.
type Layout struct {
	// Name is the image's, without a tag, which the layout has.
	Name    string
	Archive string
}

// Cluster is a running cluster. It ends with Stop, and at the latest with the namespaces that it is in.
type Cluster struct {
	*envtest.ControlPlane
	Client *kubernetes.Clientset
}

// Start runs a cluster and returns when its node is ready for Pods.
func Start(ctx context.Context, opts Options) (_ *Cluster, err error) {
	nodePrograms, err := envtest.FindNodePrograms(ctx, opts.Progress)
	if err != nil {
		return nil, err
	}
	if err := makeNetwork(); err != nil {
		return nil, err
	}
	controlPlane, err := envtest.Start(ctx, envtest.Options{
		WithNodes: true, FeatureGates: opts.FeatureGates, LogDir: opts.LogDir, Progress: opts.Progress,
	})
	if err != nil {
		return nil, err
	}
	c := &Cluster{ControlPlane: controlPlane}
	defer func() {
		if err != nil {
			_ = c.Stop() // the error that counts is err, and the namespaces end what is left
		}
	}()
	if c.Client, err = kubernetes.NewForConfig(controlPlane.Config); err != nil {
		return nil, err
	}

	dir := filepath.Join(isolate.Dir, "node")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("the folder of the node: %w", err)
	}
	if err := c.startScheduler(ctx, nodePrograms.Scheduler, dir); err != nil {
		return nil, err
	}
	runtime := containerd{Runtime: opts.Runtime, dir: dir, pause: opts.PauseImage}
	if err := runtime.start(ctx, controlPlane); err != nil {
		return nil, err
	}
	for _, archive := range opts.Images {
		if err := runtime.load(ctx, archive); err != nil {
			return nil, err
		}
	}
	for _, layout := range opts.Layouts {
		if err := runtime.loadLayout(ctx, layout); err != nil {
			return nil, err
		}
	}
	if err := c.startKubelet(ctx, nodePrograms.Kubelet, dir, runtime.socket(), opts.FeatureGates); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Cluster) startScheduler(ctx context.Context, program, dir string) error {
	config, err := c.User("system:kube-scheduler")
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(dir, "scheduler.kubeconfig")
	if err := envtest.WriteKubeconfig(kubeconfig, config); err != nil {
		return err
	}
	return c.RunProgram(ctx, "kube-scheduler", program, []string{
		"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--secure-port=0",
		// Pods are only placed once it has read everything, which shows soon enough.
	}, func(context.Context) error { return nil })
}

// nodeReady reports whether the node takes Pods.
func (c *Cluster) nodeReady(ctx context.Context) error {
	node, err := c.Client.CoreV1().Nodes().Get(ctx, NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, taint := range node.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule {
			return fmt.Errorf("the node has the taint %q", taint.Key)
		}
	}
	for i := range node.Status.Conditions {
		if condition := &node.Status.Conditions[i]; condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return nil
			}
			return fmt.Errorf("the node is not ready: %s", condition.Message)
		}
	}
	return fmt.Errorf("the node has not said whether it is ready, %s after it came", time.Since(node.CreationTimestamp.Time).Round(time.Second))
}

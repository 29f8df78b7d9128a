//go:build linux

package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
)

// startKubelet registers the node and returns when it is ready.
func (c *Cluster) startKubelet(ctx context.Context, program, dir, socket string, gates map[string]bool) error {
	user, err := c.User("system:node:"+NodeName, "system:nodes")
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(dir, "kubelet.kubeconfig")
	if err := envtest.WriteKubeconfig(kubeconfig, user); err != nil {
		return err
	}
	resolv := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(resolv, nil, 0o600); err != nil {
		return fmt.Errorf("the configuration of the kubelet: %w", err)
	}
	config, err := yaml.Marshal(map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": c.CertificateAuthority()},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"containerRuntimeEndpoint": "unix://" + socket,
		"failCgroupV1":             false,
		"cgroupDriver":             "cgroupfs",
		"cgroupRoot":               "/" + isolate.Cgroup(),
		// The machine may have any amount of swap and of free disk.
		"failSwapOn":   false,
		"evictionHard": map[string]any{"memory.available": "100Mi"},
		// There is nothing to pull an image from again.
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
		"makeIPTablesUtilChains":      false,
		"resolvConf":                  resolv,
		"volumePluginDir":             filepath.Join(dir, "volume-plugins"),
		"volumeStatsAggPeriod":        "5s",
		"shutdownGracePeriod":         "0s",
		"featureGates":                gates,
	})
	if err != nil {
		return fmt.Errorf("the configuration of the kubelet: %w", err)
	}
	path := filepath.Join(dir, "kubelet.yaml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return fmt.Errorf("the configuration of the kubelet: %w", err)
	}
	return c.RunProgram(ctx, "kubelet", program, []string{
		"--config=" + path,
		"--kubeconfig=" + kubeconfig,
		"--hostname-override=" + NodeName,
		"--node-ip=" + nodeIP,
		"--root-dir=" + filepath.Join(dir, "kubelet"),
		"--cert-dir=" + filepath.Join(dir, "kubelet-pki"),
	}, c.nodeReady)
}

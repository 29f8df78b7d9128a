//go:build linux

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// Runtime is where the container runtime's programs are.
type Runtime struct {
	Containerd, Ctr, Runc string
	Shim                  string
	CNI                   string // the folder of the CNI plugins
}

// packages are the Debian packages that the programs are in.
const packages = "containerd runc containernetworking-plugins"

// FindRuntime looks for the programs. An error says which are missing and what to install.
func FindRuntime() (Runtime, error) {
	var r Runtime
	var missing []string
	for name, path := range map[string]*string{
		"containerd": &r.Containerd, "ctr": &r.Ctr, "runc": &r.Runc, "containerd-shim-runc-v2": &r.Shim,
	} {
		if *path = find(name); *path == "" {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	for _, dir := range []string{"/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"} {
		if hasPlugins(dir) {
			r.CNI = dir
			break
		}
	}
	if r.CNI == "" {
		missing = append(missing, "the CNI plugins bridge, host-local and loopback")
	}
	if len(missing) > 0 {
		return r, fmt.Errorf("the node needs %s, not found on this machine; on Debian: apt-get install %s", strings.Join(missing, ", "), packages)
	}
	return r, nil
}

// find looks for a program on the PATH and, as Debian puts runc there and not everybody's PATH has it, in /usr/sbin.
func find(name string) string {
	for _, name := range []string{name, filepath.Join("/usr/sbin", name)} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func hasPlugins(dir string) bool {
	for _, name := range []string{"bridge", "host-local", "loopback"} {
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// containerd is one that nobody else uses, with all its files below a folder.
type containerd struct {
	Runtime
	dir   string
	pause string
}

func (r containerd) file(name string) string { return filepath.Join(r.dir, name) }
func (r containerd) socket() string          { return r.file("containerd.sock") }

func (r containerd) start(ctx context.Context, cp *envtest.ControlPlane) error {
	config := fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
address = %q
[plugins."io.containerd.internal.v1.opt"]
path = %q
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %q
disable_apparmor = true
# Only the host may lower it, and this may be a guest.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %q
conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = %q
`, r.file("containerd"), r.file("containerd-state"), r.socket(), r.file("containerd-opt"), r.pause, r.CNI, r.file("cni"), r.Runc)
	network, err := json.Marshal(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "pods",
		"plugins": []any{
			map[string]any{
				"type": "bridge", "bridge": bridge, "isGateway": true, "isDefaultGateway": true,
				"ipam": map[string]any{"type": "host-local", "ranges": []any{[]any{map[string]any{"subnet": podNetwork, "rangeStart": "10.244.1.1", "gateway": nodeIP}}}},
			},
		},
	})
	if err != nil {
		return fmt.Errorf("the network of the Pods: %w", err)
	}
	if err := os.MkdirAll(r.file("cni"), 0o755); err != nil {
		return fmt.Errorf("the network of the Pods: %w", err)
	}
	for path, data := range map[string]string{"containerd.toml": config, "cni/pods.conflist": string(network)} {
		if err := os.WriteFile(r.file(path), []byte(data), 0o600); err != nil {
			return fmt.Errorf("the configuration of containerd: %w", err)
		}
	}
	return cp.RunProgram(ctx, "containerd", r.Containerd, []string{"--config", r.file("containerd.toml")}, func(ctx context.Context) error {
		return r.ctr(ctx, "version")
	})
}

// load imports an archive of images for the kubelet.
func (r containerd) load(ctx context.Context, archive string) error {
	return r.ctr(ctx, "--namespace", "k8s.io", "images", "import", "--all-platforms", archive)
}

// loadLayout imports an OCI layout, for Pods that name the image by its tag, by its digest or by both.
func (r containerd) loadLayout(ctx context.Context, l Layout) error {
	return r.ctr(ctx, "--namespace", "k8s.io", "images", "import", "--digests", "--base-name", l.Name, l.Archive)
}

func (r containerd) ctr(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, r.Ctr, append([]string{"--address", r.socket()}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

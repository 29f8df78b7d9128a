// Package install puts shmkeeper into a control plane of package envtest: the
// manifests that ship, by kubectl, and the server as processes of this machine,
// each with the rights of its service account alone.
package install

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// The names that the manifests give.
const (
	Namespace      = "shmkeeper-system"
	ServiceAccount = "shmkeeper"
	Service        = "shmkeeper-webhook"
	ServicePort    = 443
)

// Build builds the server into a folder and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	root, err := envtest.Root(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "shmkeeper")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/shmkeeper")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return path, nil
}

// Apply installs an overlay of manifests/, such as "default".
func Apply(ctx context.Context, cp *envtest.ControlPlane, overlay string) error {
	root, err := envtest.Root(ctx)
	if err != nil {
		return err
	}
	_, err = cp.Kubectl(ctx, "apply", "-k", filepath.Join(root, "manifests", overlay))
	return err
}

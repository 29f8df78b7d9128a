package envtest

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// KubectlCommand returns a kubectl that is ready to run as the administrator, for callers that set
// its input, watch its standard error or pass --kubeconfig or --as to be somebody else.
func (cp *ControlPlane) KubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cp.Programs.Kubectl, args...)
	// It reads no preferences of the user who runs the test, and leaves its caches with the control plane.
	cmd.Env = append(environment(),
		"KUBECONFIG="+cp.Kubeconfig,
		"KUBECACHEDIR="+filepath.Join(cp.dir, "kubectl"),
		"KUBERC=off",
	)
	return cmd
}

// Kubectl runs kubectl as the administrator and returns its standard output. When it fails, the error has what it wrote to standard error.
func (cp *ControlPlane) Kubectl(ctx context.Context, args ...string) (string, error) {
	cmd := cp.KubectlCommand(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

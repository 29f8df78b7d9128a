package kernels

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// builder makes what guests boot with, in a folder.
type builder struct {
	folder  string
	program []byte // the guest's
	policy  []byte // of SELinux
}

// newBuilder builds the guest's program, and the policy if one is needed.
func newBuilder(ctx context.Context, folder string, selinux bool) (*builder, error) {
	out := filepath.Join(folder, "guest")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the guest's program: %w: %s", err, text)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	b := &builder{folder: folder, program: program}
	if selinux {
		b.policy, err = compilePolicy(ctx, folder)
	}
	return b, err
}

// initramfs writes the initramfs of a guest and returns its path.
func (b *builder) initramfs(g guest) (string, error) {
	plan, err := json.Marshal(newPlan(g.factor()))
	if err != nil {
		return "", err
	}
	files := []archived{{"init", 0o755, b.program}, {report.PlanFile, 0o600, plan}}
	if g.selinux {
		files = append(files, archived{report.PolicyFile, 0o600, b.policy})
	}
	path := filepath.Join(b.folder, g.name()+".cpio")
	return path, os.WriteFile(path, initramfs(files...), 0o600)
}

//go:build linux && node

package incident

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shmkeeper/shmkeeper/envtest"
	"github.com/shmkeeper/shmkeeper/test/node/incident/figures"
	"github.com/shmkeeper/shmkeeper/test/node/isolate"
	"github.com/shmkeeper/shmkeeper/test/node/uml"
)

// writeDocs writes the figures of this run, docs/explanation/incident.md with them, and its picture.
func writeDocs(ctx context.Context) error {
	root, err := envtest.Root(ctx)
	if err != nil {
		return err
	}
	docs := filepath.Join(root, "docs", "explanation")
	if len(comparisons) == 0 || len(kernelCosts) == 0 || !uml.InGuest() && len(curves) != 4 {
		return errors.New("-update: not all tests have run; leave out -run")
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("the release of the kernel: %w", err)
	}
	version := 1
	if isolate.V2() {
		version = 2
	}
	// What a builder of kernels appends to the number tells nothing to anybody else.
	release, _, _ := strings.Cut(unix.ByteSliceToString(name.Release[:]), "-")
	run := figures.Run{Kernel: release, Comparisons: comparisons, KernelCosts: kernelCosts, Curves: curves}
	if err := run.Write(docs, version); err != nil {
		return err
	}
	return figures.Update(docs)
}

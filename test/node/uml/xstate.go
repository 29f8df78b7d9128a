//go:build linux

package uml

import (
	"context"
	_ "embed" // for the source of the library
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shmkeeper/shmkeeper/test/node/debian"
)

//go:embed xstate.c.txt
var xstateSource []byte

// moreRegisters reports whether the processor has more registers than the kernel can set on its own, from the text of a /proc/cpuinfo.
func moreRegisters(cpuinfo string) bool {
	for line := range strings.Lines(cpuinfo) {
		if name, flags, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "flags" {
			return slices.Contains(strings.Fields(flags), "amx_tile")
		}
	}
	return false
}

// preload returns the library that the kernel needs on this processor, compiled into the folder; "" if it needs none.
func preload(ctx context.Context, dir string) (string, error) {
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", fmt.Errorf("the features of the processor: %w", err)
	}
	if !moreRegisters(string(cpuinfo)) {
		return "", nil
	}
	if err := os.WriteFile(filepath.Join(dir, "xstate.c"), xstateSource, 0o600); err != nil {
		return "", fmt.Errorf("a library for the registers of AMX: %w", err)
	}
	if err := debian.RunIn(ctx, dir, "cc", "-O2", "-shared", "-fPIC", "-o", "xstate.so", "xstate.c"); err != nil {
		return "", fmt.Errorf("this processor has AMX, whose registers User Mode Linux cannot set without a small C library: %w: on Debian, apt-get install gcc libc6-dev",
			err)
	}
	return filepath.Join(dir, "xstate.so"), nil
}

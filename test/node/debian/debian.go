//go:build linux

// Package debian unpacks packages of this machine's Debian into the user's cache folder. Nothing is
// installed.
package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Package is one of Debian's packages.
type Package struct {
	Name string
	// Cache is the folder below shmkeeper in the user's cache folder that it is kept in.
	Cache string
	// Remedy is what to do if it cannot be had.
	Remedy string
}

// Unpack returns the folder with the package's files, which has something at want. It downloads and
// unpacks the package if that is not there yet.
func (p Package) Unpack(ctx context.Context, progress io.Writer, want string) (root string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("the cache for %s: %w: set XDG_CACHE_HOME or HOME", p.Name, err)
	}
	dir := filepath.Join(cache, "shmkeeper", p.Cache)
	root = filepath.Join(dir, "debian")
	if isThere(root, want) {
		return root, nil
	}
	if err := p.download(ctx, progress, dir, root, want); err != nil {
		return "", err
	}
	if !isThere(root, want) {
		return "", fmt.Errorf("the package %s has no %q: %s", p.Name, want, p.Remedy)
	}
	return root, nil
}

func isThere(root, want string) bool {
	_, err := os.Stat(filepath.Join(root, want))
	return err == nil
}

// download gets the package with apt-get and unpacks it. The folder root appears when it is complete.
func (p Package) download(ctx context.Context, progress io.Writer, dir, root, want string) error {
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the package %s takes %s to get: %w: %s", p.Name, program, err, p.Remedy)
		}
	}
	fmt.Fprintf(progress, "test-node: downloading Debian's package %s to %s\n", p.Name, dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the cache for %s: %w: set XDG_CACHE_HOME to a folder that can be written to", p.Name, err)
	}
	work, err := os.MkdirTemp(dir, "download-")
	if err != nil {
		return fmt.Errorf("the cache for %s: %w: set XDG_CACHE_HOME to a folder that can be written to", p.Name, err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := RunIn(ctx, work, "apt-get", "download", p.Name); err != nil {
		return fmt.Errorf("the package %s: %w: run `apt-get update`, or %s", p.Name, err, p.Remedy)
	}
	files, err := filepath.Glob(filepath.Join(work, p.Name+"_*.deb"))
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("apt-get has downloaded %d files of the package %s: want one", len(files), p.Name)
	}
	unpacked := filepath.Join(work, "root")
	if err := RunIn(ctx, work, "dpkg-deb", "--extract", files[0], unpacked); err != nil {
		return fmt.Errorf("unpacking %s: %w: make room in %q", filepath.Base(files[0]), err, dir)
	}
	// Another run may have been faster, or an earlier one have been interrupted.
	if err := os.Rename(unpacked, root); err != nil {
		if isThere(root, want) {
			return nil
		}
		return errors.Join(err, fmt.Errorf("remove the folder %q", root))
	}
	return nil
}

// RunIn runs a program in a folder. Its output is in the error.
func RunIn(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
}

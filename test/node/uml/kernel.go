//go:build linux

package uml

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Kernel is where the files of a User Mode Linux are.
type Kernel struct {
	Program string // the kernel
	Modules string // the folder of its modules, with modules.dep in it
}

// debPackage is the Debian package of User Mode Linux, and packageRemedy what to do when it cannot be had.
const (
	debPackage    = "user-mode-linux"
	packageRemedy = "run it on Debian for amd64, or on a machine whose own cgroup hierarchy is v2"
)

// FindKernel returns the kernel that is installed on the machine, or else the one in the user's
// cache folder, which it first fills from Debian's package when it is not there. Nothing is
// installed.
func FindKernel(ctx context.Context, progress io.Writer) (Kernel, error) {
	if runtime.GOARCH != "amd64" {
		return Kernel{}, fmt.Errorf("the package %s is for amd64, and this is %s: %s", debPackage, runtime.GOARCH, packageRemedy)
	}
	if kernel, err := kernelIn("/"); err == nil {
		return kernel, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Kernel{}, fmt.Errorf("the cache for User Mode Linux: %w: set XDG_CACHE_HOME or HOME", err)
	}
	dir := filepath.Join(cache, "shmkeeper", "uml")
	root := filepath.Join(dir, "debian")
	if kernel, err := kernelIn(root); err == nil {
		return kernel, nil
	}
	if err := unpackPackage(ctx, progress, dir, root); err != nil {
		return Kernel{}, err
	}
	return kernelIn(root)
}

// kernelIn returns the kernel below a root folder. An error says what is not there.
func kernelIn(root string) (Kernel, error) {
	program := filepath.Join(root, "usr/bin/linux.uml")
	if _, err := os.Stat(program); err != nil {
		return Kernel{}, err
	}
	const pattern = "usr/lib/uml/modules/*/modules.dep"
	found, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil {
		return Kernel{}, err
	}
	if len(found) != 1 {
		return Kernel{}, fmt.Errorf("the package %s has %d files %s below %q: want one; remove that folder", debPackage, len(found), pattern, root)
	}
	return Kernel{Program: program, Modules: filepath.Dir(found[0])}, nil
}

// unpackPackage downloads the package with apt-get and unpacks it. The folder root appears when it is complete.
func unpackPackage(ctx context.Context, progress io.Writer, dir, root string) error {
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the package %s takes %s to get: %w: %s", debPackage, program, err, packageRemedy)
		}
	}
	fmt.Fprintf(progress, "uml: downloading Debian's package %s to %s\n", debPackage, dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the cache for User Mode Linux: %w: set XDG_CACHE_HOME to a folder that can be written to", err)
	}
	work, err := os.MkdirTemp(dir, "download-")
	if err != nil {
		return fmt.Errorf("the cache for User Mode Linux: %w: set XDG_CACHE_HOME to a folder that can be written to", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := runIn(ctx, work, "apt-get", "download", debPackage); err != nil {
		return fmt.Errorf("the package %s: %w: run `apt-get update`, or %s", debPackage, err, packageRemedy)
	}
	files, err := filepath.Glob(filepath.Join(work, debPackage+"_*.deb"))
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("apt-get has downloaded %d files of the package %s: want one", len(files), debPackage)
	}
	unpacked := filepath.Join(work, "root")
	if err := runIn(ctx, work, "dpkg-deb", "--extract", files[0], unpacked); err != nil {
		return fmt.Errorf("unpacking %s: %w: make room in %q", filepath.Base(files[0]), err, dir)
	}
	// Another run may have been faster, or an earlier one have been interrupted.
	if err := os.Rename(unpacked, root); err != nil {
		if _, there := kernelIn(root); there == nil {
			return nil
		}
		return errors.Join(err, fmt.Errorf("remove the folder %q", root))
	}
	return nil
}

// runIn runs a program in a folder. Its output is in the error.
func runIn(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
}

//go:build linux

package uml

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/shmkeeper/shmkeeper/test/node/debian"
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
	root, err := debian.Package{Name: debPackage, Cache: "uml", Remedy: packageRemedy}.Unpack(ctx, progress, kernelProgram)
	if err != nil {
		return Kernel{}, err
	}
	return kernelIn(root)
}

// kernelProgram is where the package has the kernel.
const kernelProgram = "usr/bin/linux.uml"

// kernelIn returns the kernel below a root folder. An error says what is not there.
func kernelIn(root string) (Kernel, error) {
	program := filepath.Join(root, kernelProgram)
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

//go:build linux

package uml

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// needed are the modules that a node needs: overlay for images and for the root of the guest, bridge and veth for the network of the Pods.
var needed = []string{"overlay", "bridge", "veth"}

// loadOrder returns the files of the modules, and of all those that they need, each after those
// that it needs. dep is the text of a modules.dep, "FILE: FILE ...", which lists for each module
// all that it needs, the nearest first.
func loadOrder(dep string, modules []string) ([]string, error) {
	var order []string
	for _, module := range modules {
		found := false
		for line := range strings.Lines(dep) {
			file, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
			if !ok || filepath.Base(file) != module+".ko" {
				continue
			}
			found = true
			files := append([]string{file}, strings.Fields(needs)...)
			slices.Reverse(files)
			for _, file := range files {
				if !slices.Contains(order, file) {
					order = append(order, file)
				}
			}
		}
		if !found {
			return nil, fmt.Errorf("modules.dep has no line for %s.ko: the kernel is another one than Debian's; remove it, so that Debian's is downloaded", module)
		}
	}
	return order, nil
}

// loadModules loads what is needed from the folder of the kernel's modules.
func loadModules(dir string) error {
	dep, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return err
	}
	files, err := loadOrder(string(bytes.TrimSpace(dep)), needed)
	if err != nil {
		return err
	}
	for _, file := range files {
		image, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		if err := unix.InitModule(image, ""); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("the module %s: %w", file, err)
		}
	}
	return nil
}

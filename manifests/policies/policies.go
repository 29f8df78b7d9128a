// Package policies holds the policy library: the SharedMemoryPolicies that ship
// with shmkeeper, one file each, as they are applied to a cluster.
package policies

import (
	"embed"
	"slices"
	"strings"
)

const (
	extension     = ".yaml"
	kustomization = "kustomization" + extension
)

//go:embed *.yaml
var files embed.FS

// File is one policy of the library.
type File struct {
	// Name is the policy's metadata.name, which is also the file's name without .yaml.
	Name string
	// YAML is the file as it was written, comments included.
	YAML []byte
}

// All returns the library, sorted by name. The contents are copies: the caller may change them.
func All() []File {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("policies: the embedded library cannot be read: " + err.Error())
	}
	all := make([]File, 0, len(entries))
	for _, entry := range entries {
		if entry.Name() == kustomization {
			continue
		}
		content, err := files.ReadFile(entry.Name())
		if err != nil {
			panic("policies: the embedded library cannot be read: " + err.Error())
		}
		all = append(all, File{Name: strings.TrimSuffix(entry.Name(), extension), YAML: content})
	}
	// The directory is sorted with the extension, which puts a-b.yaml before a.yaml.
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return all
}

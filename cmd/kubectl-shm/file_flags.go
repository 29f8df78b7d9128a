package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
)

// fileFlags holds the flags of the commands that read manifests: -f and -R.
type fileFlags struct {
	names     []string
	recursive bool
}

func (f *fileFlags) add(set *pflag.FlagSet) {
	set.StringArrayVarP(&f.names, "filename", "f", nil, "`file`, directory, or - for standard input; may be repeated")
	set.BoolVarP(&f.recursive, "recursive", "R", false, "read the directories within a directory too")
}

func (f *fileFlags) validate() error {
	if len(f.names) == 0 {
		return errors.New("-f is missing: give a file, a directory, or - for standard input")
	}
	return nil
}

// read returns the documents of all files, none of which is parsed yet.
func (f *fileFlags) read(stdin io.Reader) ([]*manifest.Document, error) {
	return manifest.ReadPaths(f.names, f.recursive, stdin)
}

// errNoPolicies returns the error of a command that needs policies and finds other objects only.
func (f *fileFlags) errNoPolicies(skipped map[string]int) error {
	text := f.sources() + ": there is no SharedMemoryPolicy in it"
	if len(skipped) > 0 {
		text += ", " + countSkipped(skipped)
	}
	return fmt.Errorf("%s: name a file that has one", text)
}

// errNoObjects returns the error of an empty input: what was to write the manifests has probably
// failed.
func (f *fileFlags) errNoObjects() error {
	return fmt.Errorf("%s: there is no object in it: check what wrote it", f.sources())
}

// sources returns what errors call the files.
func (f *fileFlags) sources() string {
	sources := make([]string, len(f.names))
	for i, name := range f.names {
		sources[i] = sourceOf(name)
	}
	return strings.Join(sources, ", ")
}

// sourceOf returns what errors call a file: standard input, which flags call "-", has the name that
// its lines have.
func sourceOf(name string) string {
	if name == "-" {
		return manifest.Stdin
	}
	return name
}

// isBlank reports whether documents without objects have no content at all. An empty List has some.
func isBlank(docs []*manifest.Document) bool {
	for _, d := range docs {
		var content any
		if err := yaml.Unmarshal(d.Raw(), &content); err != nil || content != nil {
			return false
		}
	}
	return true
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
)

// FileFlags holds the flags of the verbs that read manifests: -f and -R.
type FileFlags struct {
	Names     []string
	Recursive bool
}

// Add adds the flags to a command's.
func (f *FileFlags) Add(set *pflag.FlagSet) {
	set.StringArrayVarP(&f.Names, "filename", "f", nil, "`file`, directory, or - for standard input; may be repeated")
	set.BoolVarP(&f.Recursive, "recursive", "R", false, "read the directories within a directory too")
}

// Validate returns an error if no file is named.
func (f *FileFlags) Validate() error {
	if len(f.Names) == 0 {
		return errors.New("-f is missing: give a file, a directory, or - for standard input")
	}
	return nil
}

// Read returns the documents of all files, none of which is parsed yet.
func (f *FileFlags) Read(stdin io.Reader) ([]*manifest.Document, error) {
	return manifest.ReadPaths(f.Names, f.Recursive, stdin)
}

// ErrNoObjects returns the error of an empty input: what was to write the manifests has probably
// failed.
func (f *FileFlags) ErrNoObjects() error {
	return fmt.Errorf("%s: there is no object in it: check what wrote it", f.Sources())
}

// Sources returns what errors call the files.
func (f *FileFlags) Sources() string {
	sources := make([]string, len(f.Names))
	for i, name := range f.Names {
		sources[i] = SourceOf(name)
	}
	return strings.Join(sources, ", ")
}

// SourceOf returns what errors call a file: standard input, which flags call "-", has the name that
// its lines have.
func SourceOf(name string) string {
	if name == "-" {
		return manifest.Stdin
	}
	return name
}

// IsBlank reports whether documents have no content at all.
func IsBlank(docs []*manifest.Document) bool {
	return !slices.ContainsFunc(docs, func(d *manifest.Document) bool { return !d.IsBlank() })
}

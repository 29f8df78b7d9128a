package manifest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// MaxStreamBytes bounds all that one Read or one ReadPaths takes in.
const MaxStreamBytes = 256 << 20

// Read splits a stream into its documents, none of which is parsed yet: bad syntax is reported by Objects and Patch. It fails with
// an *Error on what makes the stream no series of documents, on UTF-16, and on more than MaxDocumentBytes or MaxStreamBytes.
func Read(r io.Reader, source string) ([]*Document, error) {
	docs, _, err := read(r, source, MaxStreamBytes)
	return docs, err
}

func read(r io.Reader, source string, budget int) ([]*Document, int, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(budget)+1))
	if err != nil {
		return nil, 0, unreadable(source, err)
	}
	if len(data) > budget {
		return nil, 0, &Error{Source: source, Problem: "the input is longer than " + strconv.Itoa(MaxStreamBytes) + " bytes", Remedy: "give less at a time"}
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, 0, &Error{Source: source, Line: 1, Problem: "is UTF-16", Remedy: "convert the file to UTF-8"}
	}
	docs, err := split(data, source)
	return docs, len(data), err
}

// Stdin is the source of what was read from standard input, which paths call "-".
const Stdin = "stdin"

// ReadPaths reads files, the *.yaml, *.yml and *.json files of directories in the order of their names, and "-", which is
// stdin. Directories within directories are read where recursive is true. It fails with an *Error on a path that does
// not exist or cannot be read, on a directory without manifests, and where Read fails; the errors of several files are
// joined.
func ReadPaths(paths []string, recursive bool, stdin io.Reader) ([]*Document, error) {
	docs, err := Reader{Recursive: recursive, Stdin: stdin}.Read(paths)
	if err != nil {
		return nil, err
	}
	return docs, nil
}

// Reader reads manifests as ReadPaths does, and goes on after a file that cannot be read.
type Reader struct {
	Recursive bool
	Stdin     io.Reader
	// Leave returns which of the files of one path are read. Nil leaves all of them.
	Leave func(files []string) []string
}

// Read reads what the paths name. Beside an error it returns the documents of all other files.
func (r Reader) Read(paths []string) ([]*Document, error) {
	var all []*Document
	var wrong []error
	budget := MaxStreamBytes
	for i, path := range paths {
		files, err := r.files(paths[:i], path)
		if err != nil {
			wrong = append(wrong, err)
		}
		for _, file := range files {
			docs, n, err := readFile(file, r.Stdin, budget)
			if err != nil {
				wrong = append(wrong, err)
			}
			all, budget = append(all, docs...), budget-n
		}
	}
	return all, joined(wrong)
}

// files returns the files of one path, after others. There may be some beside an error.
func (r Reader) files(before []string, path string) ([]string, error) {
	if path == "-" {
		if slices.Contains(before, path) {
			return nil, &Error{Source: Stdin, Problem: "is given twice", Remedy: `give "-" once`}
		}
		return []string{path}, nil
	}
	files, err := manifests(path, r.Recursive)
	if r.Leave != nil {
		files = r.Leave(files)
	}
	return files, err
}

func readFile(path string, stdin io.Reader, budget int) ([]*Document, int, error) {
	if path == "-" {
		return read(stdin, Stdin, budget)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, unreadable(path, err)
	}
	defer func() { _ = f.Close() }() // nothing was written, so there is nothing to report
	return read(f, path, budget)
}

// manifests returns the file that path is, or the manifests in the directory that it is. There may be some beside an error.
func manifests(path string, recursive bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	var wrong []error
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			wrong = append(wrong, unreadable(file, err))
			return nil
		}
		if entry.IsDir() && file != path && !recursive {
			return fs.SkipDir
		}
		if entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)) {
			return nil
		}
		// A link to a directory, a socket or a pipe is not a manifest, whatever it is called.
		target, err := os.Stat(file)
		switch {
		case err != nil:
			wrong = append(wrong, unreadable(file, err))
		case target.Mode().IsRegular():
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(files)+len(wrong) == 0 {
		remedy := "name a directory that has some"
		if !recursive {
			remedy += ", or read it recursively"
		}
		return nil, &Error{Source: path, Problem: "the directory has no *.yaml, *.yml or *.json file", Remedy: remedy}
	}
	return files, joined(wrong)
}

// joined returns one error for all; a single one as it is.
func joined(all []error) error {
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

func unreadable(source string, err error) *Error {
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{Source: source, Problem: "there is no such file or directory", Remedy: "check the path"}
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &Error{Source: source, Problem: "cannot be read: " + err.Error(), Remedy: "check that it is a file you may read"}
}

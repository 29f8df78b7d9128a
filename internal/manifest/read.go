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
// not exist or cannot be read, on a directory without manifests, and where Read fails.
func ReadPaths(paths []string, recursive bool, stdin io.Reader) ([]*Document, error) {
	var all []*Document
	budget := MaxStreamBytes
	for i, path := range paths {
		files := []string{path}
		if path == "-" && slices.Contains(paths[:i], path) {
			return nil, &Error{Source: Stdin, Problem: "is given twice", Remedy: `give "-" once`}
		} else if path != "-" {
			var err error
			if files, err = manifests(path, recursive); err != nil {
				return nil, err
			}
		}
		for _, file := range files {
			docs, n, err := readFile(file, stdin, budget)
			if err != nil {
				return nil, err
			}
			all, budget = append(all, docs...), budget-n
		}
	}
	return all, nil
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

// manifests returns the file that path is, or the manifests in the directory that it is.
func manifests(path string, recursive bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(file, err)
		}
		if entry.IsDir() && file != path && !recursive {
			return fs.SkipDir
		}
		if entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)) {
			return nil
		}
		// A link to a directory, a socket or a pipe is no manifest, whatever it is called.
		target, err := os.Stat(file)
		if err != nil {
			return unreadable(file, err)
		}
		if target.Mode().IsRegular() {
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		remedy := "name a directory that has some"
		if !recursive {
			remedy += ", or read it recursively"
		}
		return nil, &Error{Source: path, Problem: "the directory has no *.yaml, *.yml or *.json file", Remedy: remedy}
	}
	return files, nil
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

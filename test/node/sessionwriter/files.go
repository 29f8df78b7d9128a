//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Names that files are given, and what may be asked for.
const (
	shortName   = 12 // characters; the kernel keeps such a name in the dentry
	longName    = 60 // characters, as many as a session's file has: kept beside the dentry
	shortPrefix = 5  // of a short name, so that seven digits are left
	longPrefix  = 40
	maxFiles    = 1_000_000
	maxFileSize = 4 << 30
)

// batchOfFiles says which files to create.
type batchOfFiles struct {
	Count  int64
	Size   int64  // bytes
	Name   string // "short" or "long"
	Prefix string
}

// validate says what is wrong: every mistake, each after the name of its parameter.
func (b batchOfFiles) validate() error {
	var errs []error
	if b.Count < 1 || b.Count > maxFiles {
		errs = append(errs, fmt.Errorf("count: \"%d\" is not a number of files: write one from 1 to %d", b.Count, maxFiles))
	}
	if b.Size < 0 || b.Size > maxFileSize {
		errs = append(errs, fmt.Errorf("size: \"%d\" is not a size of a file: write the bytes, from 0 to %d", b.Size, int64(maxFileSize)))
	}
	limit := longPrefix
	switch b.Name {
	case "long":
	case "short":
		limit = shortPrefix
	default:
		errs = append(errs, fmt.Errorf("name: %q is not a length of a name: write short or long", b.Name))
	}
	if err := validPrefix(b.Prefix, limit); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func validPrefix(prefix string, limit int) error {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}
	if prefix == "" || len(prefix) > limit || strings.ContainsFunc(prefix, bad) {
		return fmt.Errorf("prefix: %q is not a beginning of a name: write 1 to %d of a-z, 0-9, _ and -", prefix, limit)
	}
	return nil
}

// fileMaker creates files of zeros, each under a name that is not yet there.
type fileMaker struct {
	dir  string
	lock sync.Mutex
	next int // number in the next name
}

var zeros [64 << 10]byte

// create returns how many files it created, with the error that it stopped at. The file that failed is removed.
func (m *fileMaker) create(ctx context.Context, b batchOfFiles) (int64, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	length := longName
	if b.Name == "short" {
		length = shortName
	}
	for n := int64(0); n < b.Count; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		name := fmt.Sprintf("%s%0*d", b.Prefix, length-len(b.Prefix), m.next)
		if len(name) > length {
			return n, fmt.Errorf("no name of %d characters is left after %q: choose another prefix", length, b.Prefix)
		}
		m.next++
		err := writeZeros(filepath.Join(m.dir, name), b.Size)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return b.Count, nil
}

func writeZeros(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for size > 0 && err == nil {
		var n int
		n, err = f.Write(zeros[:min(size, int64(len(zeros)))])
		size -= int64(n)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// removeFiles removes the files whose names begin with the prefix, calls done with each name, and returns how many,
// with the error that it stopped at. Folders stay.
func removeFiles(dir, prefix string, done func(name string)) (removed int64, err error) {
	err = eachName(dir, func(fd int, name string) error {
		if !strings.HasPrefix(name, prefix) {
			return nil
		}
		switch err := unix.Unlinkat(fd, name, 0); err {
		case nil:
			removed++
			done(name)
		case unix.ENOENT, unix.EISDIR:
		default:
			return &os.PathError{Op: "remove", Path: filepath.Join(dir, name), Err: err}
		}
		return nil
	})
	return removed, err
}

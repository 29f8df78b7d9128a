//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// writeVerb has the program serve orders instead of running the machine.
const writeVerb = "write"

// order asks a writer for files. The names of files with different prefixes, of one character,
// differ.
type order struct {
	Prefix string
	Files  report.Files
	// Touch is how many bytes of its own memory the writer uses and frees first.
	Touch int
}

// answer tells how many files there are, and which error ended it; 0: none.
type answer struct{ Files, Errno int }

// serve carries out orders until there are no more.
func serve(orders io.Reader, answers io.Writer) {
	in, out := json.NewDecoder(orders), json.NewEncoder(answers)
	content := []byte(strings.Repeat("x", 1<<20))
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return // the pipe was closed: there is nothing more to do
		}
		touch(o.Touch)
		a := create(o, content)
		if err := out.Encode(a); err != nil {
			return
		}
	}
}

// create writes the files of an order, until one cannot be written: that one is removed.
func create(o order, content []byte) answer {
	for i := range o.Files.Count {
		name := fileName(o.Prefix, i, o.Files.NameLength)
		if err := writeFile(name, o.Files.Size, content); err != 0 {
			_ = syscall.Unlink(name)
			return answer{i, int(err)}
		}
	}
	return answer{o.Files.Count, 0}
}

// fileName returns the path of a file with a name of the given length, of at least 9 bytes.
func fileName(prefix string, i, length int) string {
	tail := fmt.Sprintf("%s%08d", prefix, i)
	return volumePath + "/" + strings.Repeat("x", max(0, length-len(tail))) + tail
}

func writeFile(name string, size int64, content []byte) (errno syscall.Errno) {
	file, err := syscall.Open(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return errnoOf(err)
	}
	for size > 0 {
		n, err := syscall.Write(file, content[:min(size, int64(len(content)))])
		if err != nil {
			_ = syscall.Close(file)
			return errnoOf(err)
		}
		size -= int64(n)
	}
	return errnoOf(syscall.Close(file))
}

// errnoOf returns an error of package syscall as what it is.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // package syscall returns it bare
		return errno
	}
	return syscall.EIO
}

// touch uses and frees memory of this process.
func touch(size int) {
	if size == 0 {
		return
	}
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return // then the statistics are exact two seconds later
	}
	for i := 0; i < len(memory); i += page {
		memory[i] = 1
	}
	_ = syscall.Munmap(memory)
}

//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"io"
	"strings"
	"syscall"
	"unsafe"

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
	name := fileName(o.Prefix, o.Files.NameLength)
	for i := range o.Files.Count {
		number(name, i)
		if errno := writeFile(name, o.Files.Size, content); errno != 0 {
			_, _, _ = syscall.RawSyscall(syscall.SYS_UNLINKAT, currentFolder, uintptr(unsafe.Pointer(&name[0])), 0)
			return answer{i, int(errno)}
		}
	}
	return answer{o.Files.Count, 0}
}

// numberLength is how many digits end the name of a file.
const numberLength = 8

// fileName returns the path of a file with a name of the given length, of at least 9 bytes, for
// number to complete; a zero ends it.
func fileName(prefix string, length int) []byte {
	tail := prefix + strings.Repeat("0", numberLength)
	return []byte(volumePath + "/" + strings.Repeat("x", max(0, length-len(tail))) + tail + "\x00")
}

// number gives a path of fileName its number.
func number(name []byte, i int) {
	for at := len(name) - 2; at >= len(name)-1-numberLength; at-- {
		name[at] = byte('0' + i%10)
		i /= 10
	}
}

// currentFolder is AT_FDCWD of the kernel, which absolute paths leave out of account.
const currentFolder = ^uintptr(99)

// writeFile creates a file. It calls the kernel without the Go runtime, which would otherwise start
// threads now and then: their kernel memory is charged to the cgroup too.
func writeFile(name []byte, size int64, content []byte) syscall.Errno {
	const flags = syscall.O_CREAT | syscall.O_EXCL | syscall.O_WRONLY
	file, _, errno := syscall.RawSyscall6(syscall.SYS_OPENAT, currentFolder, uintptr(unsafe.Pointer(&name[0])), flags, 0o600, 0, 0)
	if errno != 0 {
		return errno
	}
	for size > 0 && errno == 0 {
		var n uintptr
		n, _, errno = syscall.RawSyscall(syscall.SYS_WRITE, file, uintptr(unsafe.Pointer(&content[0])), uintptr(min(size, int64(len(content)))))
		size -= int64(n)
	}
	_, _, closed := syscall.RawSyscall(syscall.SYS_CLOSE, file, 0, 0)
	return cmp.Or(errno, closed)
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

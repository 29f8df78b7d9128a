package kernels

import (
	"bytes"
	"fmt"
	"io/fs"
)

// initramfs returns an archive of regular files in the folder /, as a kernel unpacks it: cpio in the
// format newc (Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's source).
// The paths must be no longer than a kernel allows, 4,095 bytes.
func initramfs(files ...archived) []byte {
	var out bytes.Buffer
	for i, f := range files {
		entry(&out, i+1, f)
	}
	entry(&out, 0, archived{name: "TRAILER!!!"})
	return out.Bytes()
}

// archived represents a file of an archive.
type archived struct {
	name    string
	mode    fs.FileMode // permissions
	content []byte
}

// entry writes one file: a header of ASCII, the name, the content; the latter two are padded with
// zeros to multiples of four bytes, counted from the start of the archive.
func entry(out *bytes.Buffer, inode int, f archived) {
	const regular = 0o100000
	mode := uint32(f.mode.Perm())
	if inode > 0 {
		mode |= regular
	}
	fields := [...]uint32{
		uint32(inode), mode,
		0, 0, // owner and group
		1, // links
		0, // time of the last change
		uint32(len(f.content)),
		0, 0, 0, 0, // device of the file, and device that it stands for
		uint32(len(f.name) + 1), // the name ends in a zero
		0,                       // checksum: none in this format
	}
	out.WriteString("070701")
	for _, field := range fields {
		fmt.Fprintf(out, "%08X", field)
	}
	out.WriteString(f.name + "\x00")
	pad(out)
	out.Write(f.content)
	pad(out)
}

func pad(out *bytes.Buffer) {
	for out.Len()%4 != 0 {
		out.WriteByte(0)
	}
}

package policy

// Kernel memory that a file on tmpfs costs beside its pages. It is charged to
// the memory cgroup of the process that creates the file. Measured on Linux 6.18
// with gorilla/sessions file names (docs/sizing.md has the table).
const (
	// kernelPerFile is the inode, the directory entry and its offset.
	kernelPerFile Bytes = 960
	// kernelPerLongName is added for a name of more than 40 characters. Session
	// stores use such names, so it is always counted.
	kernelPerLongName Bytes = 104
	// kernelPerNode is a radix-tree node, needed for each started nodePages pages
	// of a file that has more than one page.
	kernelPerNode Bytes = 576
	nodePages     Bytes = 64
)

// DefaultShm is the size of the /dev/shm that a container runtime mounts where
// nothing else is mounted.
const DefaultShm = 64 * MiB

// pageBytes is what a file of the given size occupies on tmpfs, which charges
// whole pages.
func pageBytes(fileSize, pageSize Bytes) Bytes { return fileSize.RoundUp(pageSize) }

// kernelBytes is the kernel memory of one file of the given size.
func kernelBytes(fileSize, pageSize Bytes) Bytes {
	cost := kernelPerFile + kernelPerLongName
	if pages := fileSize.DivUp(pageSize); pages > 1 {
		cost = cost.Plus(kernelPerNode.Times(Bytes(pages).DivUp(nodePages)))
	}
	return cost
}

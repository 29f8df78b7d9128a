package sizing

// DefaultShm is the size of the /dev/shm that a container runtime mounts if nothing else is mounted
// there.
const DefaultShm = 64 * MiB

// Kernel memory that a file on tmpfs costs beside its pages. It is charged to the memory cgroup of
// the process that creates the file, on cgroup v1 and v2 alike. Each figure is the largest of those
// measured on Linux 5.10 to 7.3, with and without SELinux labels (docs/explanation/sizing.md has the table, and
// `make test-kernels` measures it again).
const (
	// defaultPageSize is the page size of every amd64 kernel, and of most arm64 kernels.
	defaultPageSize = 4 * KiB
	// defaultKernelBytesPerFile covers a file's inode, its directory entry (904 to 992 B by kernel)
	// and its SELinux label (0 to 176 B): the largest sum is that of Linux 6.12, 968 and 144 B.
	defaultKernelBytesPerFile Bytes = 1112
	// KernelBytesPerNode is a node of the tree that finds a file's pages: an object of 576 B, which
	// takes 584 B in its slab, and the 8 B that name its cgroup.
	KernelBytesPerNode Bytes = 592
	// NodeSlots is how many pages, or nodes of the level below, a node finds.
	NodeSlots Bytes = 64
)

// nameBytes returns the kernel memory of a file's name, beyond what the directory entry holds, for
// a name of the given length in bytes; 0 stands for a length that is not known. Kernels place the
// steps a few characters apart: this is the largest of all that were measured (5.10 to 7.3).
func nameBytes(length int64) Bytes {
	switch {
	case length <= 0:
		return 104 // 40 to 71, as session stores use
	case length < 32:
		return 0
	case length < 40:
		return 72
	case length < 72:
		return 104
	case length < 104:
		return 136
	case length < 168:
		return 200
	case length < 232:
		return 264
	default:
		return 520
	}
}

// tmpfs represents what a node's tmpfs charges for files of one kind.
type tmpfs struct {
	pageSize Bytes
	// kernelBytes is the kernel memory of a file of at most one page, its name included.
	kernelBytes Bytes
}

// newTmpfs returns the tmpfs of a node with files whose names have the given length; 0 stands for
// the default page size, for the largest kernel memory that was measured, and for a length that is
// not known.
func newTmpfs(pageSize, kernelBytesPerFile Bytes, nameLength int64) tmpfs {
	if pageSize <= 0 {
		pageSize = defaultPageSize
	}
	if kernelBytesPerFile <= 0 {
		kernelBytesPerFile = defaultKernelBytesPerFile
		if 0 < nameLength && nameLength < 40 {
			// Only kernels up to 6.1 charge for such a name, and without it they are further
			// below the default than the 72 B.
			nameLength = 1
		}
	}
	return tmpfs{pageSize: pageSize, kernelBytes: kernelBytesPerFile.Plus(nameBytes(nameLength))}
}

// pageBytes returns what a file of the given size occupies: tmpfs charges whole pages.
func (t tmpfs) pageBytes(fileSize Bytes) Bytes { return fileSize.RoundUp(t.pageSize) }

// kernelBytesOf returns the kernel memory of one file of the given size.
func (t tmpfs) kernelBytesOf(fileSize Bytes) Bytes {
	cost := t.kernelBytes
	// A file of one page needs no tree. Each level above the pages has a node for each started
	// NodeSlots of the one below, up to a single root.
	for below := fileSize.DivUp(t.pageSize); below > 1; {
		below = Bytes(below).DivUp(NodeSlots)
		cost = cost.Plus(KernelBytesPerNode.Times(below))
	}
	return cost
}

// Cost returns the memory cost, in bytes, of a volume that one large file fills: its size and that
// file's kernel memory. It is for a caller without a model; 0 for an empty volume.
func Cost(volume, pageSize Bytes) Bytes {
	return fileCost{tmpfs: newTmpfs(pageSize, 0, 0)}.memoryCost(volume)
}

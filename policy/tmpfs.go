package policy

// Kernel memory that a file on tmpfs costs beside its pages. It is charged to
// the memory cgroup of the process that creates the file. Measured on Linux 6.18
// with gorilla/sessions file names (docs/incident.md has the table; the tests
// on a real node measure them anew).
const (
	// kernelPerFile is the inode, the directory entry and its offset.
	kernelPerFile Bytes = 960
	// kernelPerLongName is added for a name of 40 characters or more. Session
	// stores use such names, so it is always counted.
	kernelPerLongName Bytes = 104
	// kernelPerNode is a node of the tree that finds a file's pages: an object of
	// 576 B, which takes 584 B in its slab, and the 8 B that name its cgroup.
	kernelPerNode Bytes = 592
	// nodeSlots is how many pages, or nodes of the level below, a node finds.
	nodeSlots Bytes = 64
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
	// A file of one page needs no tree. Each level above the pages has a node for
	// each started nodeSlots of the one below, up to a single root.
	for below := fileSize.DivUp(pageSize); below > 1; {
		below = Bytes(below).DivUp(nodeSlots)
		cost = cost.Plus(kernelPerNode.Times(below))
	}
	return cost
}

package sizing

// Bounds represents what limits a computed size, and what the node's tmpfs charges.
type Bounds struct {
	// HeadroomPercent is added to the required size, in per cent; from 0.
	HeadroomPercent int64
	// Min and Max are the least and the most that a computed limit can be, in whole MiB. Min is at
	// most Max.
	Min, Max Bytes
	// PageSize is the node's; 0 stands for 4 KiB.
	PageSize Bytes
	// KernelBytesPerFile is the kernel memory of one file without its name and its page tree, as
	// measured on the nodes; 0 stands for 1,112 B, which covers every kernel that was measured.
	KernelBytesPerFile Bytes
}

// limit returns the sizeLimit for a required size: headroom added, raised to Min, rounded up to
// whole MiB, lowered to Max. Whole MiB are whole pages of every kernel: the kernel rounds any other
// size up, and the kubelet then evicts a Pod that uses the difference.
func (b Bounds) limit(required Bytes) Bytes {
	return min(max(required.Percent(100+b.HeadroomPercent), b.Min).RoundUp(MiB), b.Max)
}

// minimum returns what a volume that is there already has to hold: no headroom, not rounded.
func (b Bounds) minimum(required Bytes) Bytes { return min(max(required, b.Min), b.Max) }

// tmpfs returns the node's tmpfs for files with names of the given length; 0 if it is not known.
func (b Bounds) tmpfs(nameLength int64) tmpfs {
	return newTmpfs(b.PageSize, b.KernelBytesPerFile, nameLength)
}

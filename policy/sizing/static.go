package sizing

// Static represents a required size that is known without counting files: a fixed one, a share of
// the memory, or a number of units.
type Static struct {
	// Required is what the workload needs.
	Required Bytes
	// FileSize is the size of one file's content; 0: one large file.
	FileSize Bytes
	// UsePercent is how much of Required is in use on average, in per cent from 0 to 100; kernel
	// memory is not included.
	UsePercent int64
}

// Size returns the size for the workload.
func (s Static) Size(b Bounds) Size {
	cost := fileCost{tmpfs: b.tmpfs(0), size: s.FileSize}
	out := Size{
		Required:   s.Required,
		Bounded:    true,
		average:    s.Required.Percent(s.UsePercent),
		static:     true,
		usePercent: s.UsePercent,
		cost:       cost,
	}
	if s.FileSize > 0 {
		out.BytesPerFile = cost.pageBytes(s.FileSize)
		out.KernelBytesPerFile = cost.kernelBytesOf(s.FileSize)
	}
	return out.within(b)
}

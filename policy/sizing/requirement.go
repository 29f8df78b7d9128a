package sizing

// Requirement represents a required size that is known without counting files: a fixed one, a share of
// the memory, or a number of units.
type Requirement struct {
	// Required is what the workload needs.
	Required Bytes
	// FileSize is the size of one file's content; 0: one large file.
	FileSize Bytes
	// UsePercent is how much of Required is in use on average, in per cent from 0 to 100; kernel
	// memory is not included.
	UsePercent int64
}

// Size returns the size for the workload.
func (r Requirement) Size(b Bounds) Size {
	cost := fileCost{tmpfs: b.tmpfs(0), size: r.FileSize}
	out := Size{
		Required:      r.Required,
		Bounded:       true,
		average:       r.Required.Percent(r.UsePercent),
		isRequirement: true,
		usePercent:    r.UsePercent,
		cost:          cost,
	}
	if r.FileSize > 0 {
		out.BytesPerFile = cost.pageBytes(r.FileSize)
		out.KernelBytesPerFile = cost.kernelBytesOf(r.FileSize)
	}
	return out.within(b)
}

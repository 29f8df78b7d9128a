package sizing

import (
	"fmt"
	"math"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// Size represents a computed size of /dev/shm, with the terms of its computation.
type Size struct {
	// Required is what the workload needs at the accepted probability; MaxBytes if files are never
	// deleted.
	Required Bytes
	// Limit is the sizeLimit: Required and headroom, within the bounds, whole MiB.
	Limit Bytes
	// Minimum is what a volume that is there already has to hold: Required within the bounds,
	// without headroom.
	Minimum Bytes

	// MeanFiles is the mean number of files alive just before a sweep; 0 for a Requirement and if
	// files are never deleted.
	MeanFiles float64
	// PeakFiles is the number of files alive just before a sweep that is exceeded with at most the
	// accepted probability; 0 for a Requirement and if files are never deleted.
	PeakFiles int64
	// BytesPerFile is what one file occupies on tmpfs: whole pages. 0 if no file size is known.
	BytesPerFile Bytes
	// KernelBytesPerFile is the kernel memory of one file. 0 if no file size is known.
	KernelBytesPerFile Bytes
	// CapacityFiles is how many files fit in Limit. 0 if no file size is known.
	CapacityFiles int64
	// KernelMemory is the kernel memory of the files that fit in Limit.
	KernelMemory Bytes
	// MemoryCost is Limit and KernelMemory: what the memory cgroup can be charged.
	MemoryCost Bytes
	// AverageUse is what is in use on average of a volume of Limit, and at most Limit: pages and
	// kernel memory for Files, the use percent of Required for a Requirement.
	AverageUse Bytes

	// Bounded reports whether files are ever deleted: if not, no size is enough.
	Bounded bool
	// Saturated reports whether Limit is below Required though some limit would be enough.
	Saturated bool
	// FullAfter is how long a volume of Limit takes to fill from empty at the mean rate, and at
	// most MaxFullAfter; 0 if Limit is enough, and without a rate.
	FullAfter time.Duration

	cost          fileCost
	average       Bytes // the model's average use, of a volume of any size
	isRequirement bool
	usePercent    int64 // of Required, if isRequirement
}

// MaxFullAfter is the longest time that FullAfter and FullAfterOf return: about 292 years.
const MaxFullAfter = time.Duration(math.MaxInt64)

// within returns a Size with all that follows from Required and the bounds.
func (s Size) within(b Bounds) Size {
	s.Limit, s.Minimum = b.limit(s.Required), b.minimum(s.Required)
	return s.complete()
}

// WithLimit returns the Size with an override: Limit and Minimum are the given limit, and all that
// follows is computed again. A Requirement becomes the limit, of which its percent is in use;
// what Files require stays.
func (s Size) WithLimit(limit Bytes) Size {
	s.Limit, s.Minimum = limit, limit
	if s.isRequirement {
		s.Required, s.average = limit, limit.Percent(s.usePercent)
	}
	return s.complete()
}

// complete returns a Size with all that follows from Required and Limit.
func (s Size) complete() Size {
	s.CapacityFiles = s.CapacityOf(s.Limit)
	s.KernelMemory = s.cost.kernelMemory(s.Limit)
	s.MemoryCost = s.MemoryCostOf(s.Limit)
	s.AverageUse = s.AverageUseOf(s.Limit)
	s.Saturated = s.Bounded && s.Limit < s.Required
	s.FullAfter = 0
	if s.Saturated || !s.Bounded {
		s.FullAfter = s.FullAfterOf(s.Limit)
	}
	return s
}

// MemoryCostOf returns what the memory cgroup can be charged for a full volume of the given size
// that holds files of this Size, in bytes: the volume and the kernel memory of the files that fit
// in it. 0 for an empty volume.
func (s Size) MemoryCostOf(volume Bytes) Bytes { return s.cost.memoryCost(volume) }

// AverageUseOf returns what is in use on average of a volume of the given size, in bytes: what the
// model expects, kernel memory included for Files, and never more than the volume.
func (s Size) AverageUseOf(volume Bytes) Bytes { return max(0, min(s.average, volume)) }

// CapacityOf returns how many files of this Size fit in a volume; 0 if no file size is known.
func (s Size) CapacityOf(volume Bytes) int64 { return s.cost.capacity(volume) }

// FullAfterOf returns how long a volume of the given size takes to fill from empty at the mean rate
// if nothing is deleted, at most MaxFullAfter; 0 for a Requirement.
func (s Size) FullAfterOf(volume Bytes) time.Duration { return s.cost.fullAfter(volume) }

// Overflows reports whether a volume of the given size fills in the ordinary course of things:
// files are never deleted, or it holds fewer than are alive on average just before a sweep. A
// size that is a Requirement never overflows: nothing is known of its files.
func (s Size) Overflows(volume Bytes) bool {
	return s.cost.size > 0 && (!s.Bounded || float64(s.CapacityOf(volume)) < s.MeanFiles)
}

// Shortfall says how a volume of the given size falls short of what is required, without a remedy;
// empty if it does not.
func (s Size) Shortfall(volume Bytes) string {
	switch {
	case !s.Bounded:
		return fmt.Sprintf("files are never deleted, so no size is enough: %s fills after %s", volume, human.Duration(s.FullAfterOf(volume)))
	case s.Overflows(volume):
		return fmt.Sprintf("%s fills after %s, as %s are required", volume, human.Duration(s.FullAfterOf(volume)), s.Required)
	case volume < s.Required:
		return fmt.Sprintf("%s is less than the %s that are required", volume, s.Required)
	default:
		return ""
	}
}

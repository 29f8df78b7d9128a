package policy

import (
	"math"
	"time"
)

// Size is a computed size of /dev/shm, with the terms of its computation.
type Size struct {
	// Demand is what the workload needs at the chosen probability.
	Demand Bytes
	// Limit is the sizeLimit: Demand and headroom, within the bounds, whole MiB.
	Limit Bytes
	// Need is what a volume that is there already has to hold: Limit without the
	// headroom.
	Need Bytes

	// MeanFiles is the mean number of files alive just before a sweep; 0 for a
	// model without files and where nothing is ever deleted.
	MeanFiles float64
	// PeakFiles is the number of files alive that is exceeded with at most the
	// overflow probability.
	PeakFiles int64
	// BytesPerFile is what a file occupies on tmpfs: whole pages.
	BytesPerFile Bytes
	// KernelBytesPerFile is the kernel memory of a file.
	KernelBytesPerFile Bytes
	// CapacityFiles is how many files fit in Limit; 0 for a model without files.
	CapacityFiles int64
	// KernelMemory is the kernel memory of the files that fit in Limit.
	KernelMemory Bytes
	// Charge is Limit and KernelMemory: what the memory cgroup may be billed.
	Charge Bytes
	// SteadyState is the memory, pages and kernel memory, that is in use on average.
	SteadyState Bytes

	// Bounded is false where files are never deleted: no size is enough.
	Bounded bool
	// Saturated is true where the upper bound cut Limit below Demand.
	Saturated bool
	// FullAfter is when a volume of Limit fills, counted from an empty one at the
	// mean rate; 0 where it does not fill. It is capped at MaxFullAfter.
	FullAfter time.Duration

	file fileCost
}

// MaxFullAfter caps Size.FullAfter: about 292 years.
const MaxFullAfter = time.Duration(math.MaxInt64)

// fileCost is what the files of a workload cost. The zero value stands for a
// model that knows no file size: it is counted as one file that fills the volume.
type fileCost struct {
	size           Bytes // of the file's content; 0 where it is not known
	pageSize       Bytes
	bytes, kernel  Bytes
	filesPerMinute float64
}

func newFileCost(size, pageSize Bytes) fileCost {
	return fileCost{size: size, pageSize: pageSize, bytes: pageBytes(size, pageSize), kernel: kernelBytes(size, pageSize)}
}

// capacity is how many files fit in a volume.
func (f fileCost) capacity(volume Bytes) int64 {
	if f.size == 0 {
		return 0
	}
	return int64(volume / f.bytes)
}

// kernelMemory is the kernel memory of the files that fit in a volume.
func (f fileCost) kernelMemory(volume Bytes) Bytes {
	if f.size == 0 {
		return kernelBytes(volume, f.pageSize)
	}
	// A file that does not fit is there too, as far as it was written.
	return max(f.kernel.Times(f.capacity(volume)), kernelBytes(min(f.size, volume), f.pageSize))
}

// charge is what the memory cgroup may be billed for a volume that is full.
func (f fileCost) charge(volume Bytes) Bytes { return volume.Plus(f.kernelMemory(volume)) }

// fullAfter is how long files arrive at the mean rate until a volume is full.
func (f fileCost) fullAfter(volume Bytes) time.Duration {
	if f.filesPerMinute <= 0 {
		return 0
	}
	ns := float64(f.capacity(volume)) / f.filesPerMinute * float64(time.Minute)
	if ns >= float64(MaxFullAfter) {
		return MaxFullAfter
	}
	return time.Duration(ns)
}

// ChargeOf is what the memory cgroup may be billed for a full volume of the given
// size that holds files such as this Size was computed for.
func (s Size) ChargeOf(volume Bytes) Bytes { return s.file.charge(volume) }

// CapacityOf is how many files such as this Size was computed for fit in a volume;
// 0 for a model without files.
func (s Size) CapacityOf(volume Bytes) int64 { return s.file.capacity(volume) }

// FullAfterOf is when a volume of the given size fills from empty at the mean
// rate if nothing were deleted; 0 for a model without files.
func (s Size) FullAfterOf(volume Bytes) time.Duration { return s.file.fullAfter(volume) }

// Fills says whether a volume of the given size fills in the ordinary course of
// things: it holds fewer files than are alive on average.
func (s Size) Fills(volume Bytes) bool {
	return s.file.size > 0 && (!s.Bounded || float64(s.file.capacity(volume)) < s.MeanFiles)
}

// bounds limit a computed size. min and max are whole MiB.
type bounds struct {
	headroom int64 // per cent
	min, max Bytes
	pageSize Bytes
}

// limit is the sizeLimit for a demand: headroom, raised to min, rounded up to
// whole MiB, lowered to max. Whole MiB are whole pages of every kernel: a size
// that is not is rounded up by the kernel, and the kubelet then evicts a Pod that
// uses the difference.
func (b bounds) limit(demand Bytes) Bytes {
	return min(max(demand.Percent(100+b.headroom), b.min).RoundUp(MiB), b.max)
}

// need is what a volume that is there already has to hold.
func (b bounds) need(demand Bytes) Bytes { return min(max(demand, b.min), b.max) }

// size finishes a Size of which Demand and the fields that describe files are set.
func (b bounds) size(s Size) Size {
	s.Limit = b.limit(s.Demand)
	return b.withLimit(s, s.Limit, b.need(s.Demand))
}

// withLimit sets the limit, and all that follows from it.
func (b bounds) withLimit(s Size, limit, need Bytes) Size {
	s.Limit, s.Need = limit, need
	s.CapacityFiles = s.file.capacity(limit)
	s.KernelMemory = s.file.kernelMemory(limit)
	s.Charge = s.file.charge(limit)
	s.SteadyState = min(s.SteadyState, s.Charge)
	s.Saturated = s.Bounded && limit < s.Demand
	s.FullAfter = 0
	if s.Saturated || !s.Bounded {
		s.FullAfter = s.file.fullAfter(limit)
	}
	return s
}

// filesModel is sizing.files, parsed.
type filesModel struct {
	createdPerMinute    float64
	batch               int64
	retention           time.Duration // 0: nothing is ever deleted
	sweepInterval       time.Duration
	fileSize            Bytes
	overflowProbability float64
}

// size computes the size for files that are created in batches of b, as a Poisson
// process of rate createdPerMinute / b, and live at most L = retention +
// sweepInterval. The number alive is then b x Poisson(m) with m = createdPerMinute
// x L / b (an M/D/infinity queue; Takacs, Introduction to the Theory of Queues,
// 1962, chapter 3), and the peak is b x the quantile of that distribution.
func (f filesModel) size(b bounds) Size {
	cost := newFileCost(f.fileSize, b.pageSize)
	cost.filesPerMinute = f.createdPerMinute
	s := Size{
		Bounded:            f.retention > 0,
		BytesPerFile:       cost.bytes,
		KernelBytesPerFile: cost.kernel,
		file:               cost,
	}
	if !s.Bounded {
		s.Demand, s.SteadyState = MaxBytes, MaxBytes
		return b.size(s)
	}
	lifetime := f.retention.Minutes() + f.sweepInterval.Minutes()
	s.MeanFiles = f.createdPerMinute * lifetime
	batches, ok := poissonQuantile(s.MeanFiles/float64(f.batch), f.overflowProbability)
	s.PeakFiles = int64(Bytes(f.batch).Times(batches))
	if !ok {
		s.PeakFiles = math.MaxInt64
	}
	s.Demand = cost.bytes.Times(s.PeakFiles)
	s.SteadyState = bytesOfFloat(s.MeanFiles * float64(cost.bytes.Plus(cost.kernel)))
	return b.size(s)
}

// plainSize is the size for a demand that no files explain. What is expected to
// be in use is then the demand itself.
func plainSize(demand Bytes, b bounds) Size {
	cost := fileCost{pageSize: b.pageSize}
	return b.size(Size{Demand: demand, SteadyState: cost.charge(demand), Bounded: true, file: cost})
}

func bytesOfFloat(f float64) Bytes {
	if f >= float64(MaxBytes) {
		return MaxBytes
	}
	return Bytes(math.Ceil(f))
}

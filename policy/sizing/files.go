package sizing

import (
	"math"
	"time"
)

// Files represents a workload that creates files of one size and deletes them when they are old.
type Files struct {
	// CreatedPerMinute is the mean rate, in files a minute; above 0.
	CreatedPerMinute float64
	// Batch is how many files are created at once; below 1 counts as 1.
	Batch int64
	// Retention is how old a file gets before it can be deleted; 0: files are never deleted.
	Retention time.Duration
	// SweepInterval is how often files that are old enough are deleted; from 0.
	SweepInterval time.Duration
	// FileSize is the size of one file's content; above 0.
	FileSize Bytes
	// NameLength is the length of a file's name in bytes; 0: not known.
	NameLength int64
	// OverflowProbability is the accepted probability that the files alive just before a sweep need
	// more than the required size; strictly between 0 and 1.
	OverflowProbability float64
}

// Size returns the size for the workload.
//
// A file lives at most L = retention + sweepInterval. Batches of b files arrive as a Poisson
// process of rate createdPerMinute / b, so the number alive just before a sweep is b x Poisson(m)
// with m = createdPerMinute x L / b (an M/D/infinity queue; Takacs, Introduction to the Theory of
// Queues, 1962, chapter 3). The peak is b x the quantile of that distribution, and the required
// size is the whole pages of that many files. Over time a file lives retention + sweepInterval / 2
// on average: the average use is the pages and the kernel memory of the files that are then alive.
func (f Files) Size(b Bounds) Size {
	cost := fileCost{
		tmpfs:            b.tmpfs(f.NameLength),
		size:             f.FileSize,
		createdPerMinute: f.CreatedPerMinute,
	}
	s := Size{
		Bounded:            f.Retention > 0,
		BytesPerFile:       cost.pageBytes(f.FileSize),
		KernelBytesPerFile: cost.kernelBytesOf(f.FileSize),
		cost:               cost,
	}
	if !s.Bounded {
		s.Required, s.average = MaxBytes, MaxBytes
		return s.within(b)
	}
	retention, sweep := f.Retention.Minutes(), f.SweepInterval.Minutes()
	batch := max(1, f.Batch)
	s.MeanFiles = f.CreatedPerMinute * (retention + sweep)
	batches, ok := poissonQuantile(s.MeanFiles/float64(batch), f.OverflowProbability)
	s.PeakFiles = int64(Bytes(batch).Times(batches))
	if !ok {
		s.PeakFiles = math.MaxInt64
	}
	s.Required = s.BytesPerFile.Times(s.PeakFiles)
	averageFiles := f.CreatedPerMinute * (retention + sweep/2)
	s.average = bytesOfFloat(averageFiles * float64(s.BytesPerFile.Plus(s.KernelBytesPerFile)))
	return s.within(b)
}

// bytesOfFloat returns an amount rounded up to a whole byte; MaxBytes if it does not fit.
func bytesOfFloat(f float64) Bytes {
	if f >= float64(MaxBytes) {
		return MaxBytes
	}
	return Bytes(math.Ceil(f))
}

package sizing

import "time"

// fileCost represents what the files of a workload cost. A size of 0 stands for a workload whose
// files are not known: it is counted as one file that fills the volume.
type fileCost struct {
	tmpfs
	size             Bytes // of one file's content; 0 if it is not known
	createdPerMinute float64
}

// capacity returns how many files fit in a volume; 0 if their size is not known.
func (f fileCost) capacity(volume Bytes) int64 {
	if f.size <= 0 {
		return 0
	}
	return int64(max(0, volume) / f.pageBytes(f.size))
}

// kernelMemory returns the kernel memory of the files that fit in a volume; 0 for an empty one.
func (f fileCost) kernelMemory(volume Bytes) Bytes {
	switch {
	case volume <= 0:
		return 0
	case f.size <= 0:
		return f.kernelBytesOf(volume)
	}
	// A single file that does not fit is there too, as far as it was written.
	partial := f.kernelBytesOf(min(f.size, volume))
	return max(f.kernelBytesOf(f.size).Times(f.capacity(volume)), partial)
}

// memoryCost returns what the memory cgroup can be charged for a volume that is full.
func (f fileCost) memoryCost(volume Bytes) Bytes {
	return max(0, volume).Plus(f.kernelMemory(volume))
}

// fullAfter returns how long files arrive at the mean rate until a volume is full; 0 without a
// rate.
func (f fileCost) fullAfter(volume Bytes) time.Duration {
	if f.createdPerMinute <= 0 {
		return 0
	}
	ns := float64(f.capacity(volume)) / f.createdPerMinute * float64(time.Minute)
	if ns >= float64(MaxFullAfter) {
		return MaxFullAfter
	}
	return time.Duration(ns)
}

package usage

import (
	"fmt"
	"time"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// VolumeKey identifies a volume: two Pods of one name are different volumes.
type VolumeKey struct {
	PodUID string
	Volume string
}

// Reading is what a source says of one volume at one moment.
type Reading struct {
	// Namespace and Pod are names.
	Namespace, Pod string
	VolumeKey
	Sample
}

// Sample is the state of a volume at one moment.
type Sample struct {
	Time time.Time
	// Used is how many bytes of pages are in use, and Capacity how many there are.
	Used, Capacity int64
	// InodesUsed counts files, folders and the root; Inodes is how many there can be, 0 if the
	// source does not say.
	InodesUsed, Inodes int64
}

// maxFigure is 1Pi: no node has the memory, or as many inodes.
const maxFigure = 1 << 50

// Validate returns an error if the sample cannot be true of a tmpfs.
func (s *Sample) Validate() error {
	for _, f := range [...]struct {
		name        string
		value, most int64
	}{
		{"usedBytes", s.Used, maxFigure},
		{"capacityBytes", s.Capacity, maxFigure},
		{"inodesUsed", s.InodesUsed, maxFigure},
		{"inodes", s.Inodes, maxFigure},
	} {
		if f.value < 0 || f.value > f.most {
			return fmt.Errorf("%s: %d is not from 0 to 1Pi", f.name, f.value)
		}
	}
	switch {
	case s.Time.IsZero():
		return fmt.Errorf("time: there is none")
	case s.Capacity == 0:
		return fmt.Errorf("capacityBytes: 0 is not the size of a volume")
	// Pages of up to 64 KiB are rounded up to: used can exceed the capacity by less than one.
	case s.Used > s.Capacity+int64(64*sizing.KiB):
		return fmt.Errorf("usedBytes: %d is more than the capacity of %d", s.Used, s.Capacity)
	}
	return nil
}

// PodMemory is what memory cgroups of a Pod are charged for and cannot give back, in bytes: the
// working set, which has the pages of every tmpfs.
type PodMemory struct {
	// Pod is that of the Pod's own cgroup; 0 if the source does not say.
	Pod int64
	// Containers are those of the containers, by name.
	Containers map[string]int64
}

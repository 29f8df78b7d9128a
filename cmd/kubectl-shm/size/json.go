package size

import (
	"math"
	"time"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// report represents a result in JSON and YAML; kubectl shm size --help says what each field is. A
// nil field is null: there is no such number.
type report struct {
	MeanFiles          *float64      `json:"meanFiles"`
	PeakFiles          *int64        `json:"peakFiles"`
	BytesPerFile       *sizing.Bytes `json:"bytesPerFile"`
	RequiredBytes      *sizing.Bytes `json:"requiredBytes"`
	SizeLimit          string        `json:"sizeLimit"`
	SizeLimitBytes     sizing.Bytes  `json:"sizeLimitBytes"`
	CapacityFiles      *int64        `json:"capacityFiles"`
	KernelBytesPerFile *sizing.Bytes `json:"kernelBytesPerFile"`
	KernelMemoryBytes  sizing.Bytes  `json:"kernelMemoryBytes"`
	MemoryCostBytes    sizing.Bytes  `json:"memoryCostBytes"`
	AverageUseBytes    sizing.Bytes  `json:"averageUseBytes"`
	EffectiveBytes     sizing.Bytes  `json:"effectiveBytes"`
	Bounded            bool          `json:"bounded"`
	Saturated          bool          `json:"saturated"`
	FullAfterSeconds   *int64        `json:"fullAfterSeconds"`
	Findings           []finding     `json:"findings"`
}

func (c computed) report() report {
	out := report{
		SizeLimit:         c.Limit.Quantity().String(),
		SizeLimitBytes:    c.Limit,
		KernelMemoryBytes: c.KernelMemory,
		MemoryCostBytes:   c.MemoryCost,
		AverageUseBytes:   c.AverageUse,
		EffectiveBytes:    c.effective,
		Bounded:           c.Bounded,
		Saturated:         c.Saturated,
		Findings:          c.findings,
	}
	if c.Required != sizing.MaxBytes {
		out.RequiredBytes = &c.Required
	}
	if c.BytesPerFile > 0 {
		out.BytesPerFile, out.KernelBytesPerFile, out.CapacityFiles = &c.BytesPerFile, &c.KernelBytesPerFile, &c.CapacityFiles
	}
	if c.Files() != nil && c.Bounded {
		// Beyond a thousandth there is only what the binary fractions of the rate leave.
		mean := math.Round(c.MeanFiles*1000) / 1000
		out.MeanFiles = &mean
		if c.PeakFiles != math.MaxInt64 {
			out.PeakFiles = &c.PeakFiles
		}
	}
	if c.fills(c.Limit) {
		seconds := int64(c.FullAfterOf(c.Limit) / time.Second)
		out.FullAfterSeconds = &seconds
	}
	return out
}

package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/policy"
)

// sizeReport is a result as JSON and YAML have it; kubectl shm size --help says
// what each field is. A nil field is null: there is no such number.
type sizeReport struct {
	MeanFiles          *float64      `json:"meanFiles"`
	PeakFiles          *int64        `json:"peakFiles"`
	BytesPerFile       *policy.Bytes `json:"bytesPerFile"`
	DemandBytes        *policy.Bytes `json:"demandBytes"`
	SizeLimit          string        `json:"sizeLimit"`
	SizeLimitBytes     policy.Bytes  `json:"sizeLimitBytes"`
	CapacityFiles      *int64        `json:"capacityFiles"`
	KernelBytesPerFile *policy.Bytes `json:"kernelBytesPerFile"`
	KernelMemoryBytes  policy.Bytes  `json:"kernelMemoryBytes"`
	ChargeBytes        policy.Bytes  `json:"chargeBytes"`
	SteadyStateBytes   policy.Bytes  `json:"steadyStateBytes"`
	EffectiveBytes     policy.Bytes  `json:"effectiveBytes"`
	Bounded            bool          `json:"bounded"`
	Saturated          bool          `json:"saturated"`
	FullAfterSeconds   *int64        `json:"fullAfterSeconds"`
	Findings           []finding     `json:"findings"`
}

func (c computed) report() sizeReport {
	out := sizeReport{
		SizeLimit:         c.Limit.Quantity().String(),
		SizeLimitBytes:    c.Limit,
		KernelMemoryBytes: c.KernelMemory,
		ChargeBytes:       c.Charge,
		SteadyStateBytes:  c.SteadyState,
		EffectiveBytes:    c.effective,
		Bounded:           c.Bounded,
		Saturated:         c.Saturated,
		Findings:          c.findings,
	}
	if c.Demand != policy.MaxBytes {
		out.DemandBytes = &c.Demand
	}
	if c.files() == nil {
		return out
	}
	out.BytesPerFile, out.KernelBytesPerFile, out.CapacityFiles = &c.BytesPerFile, &c.KernelBytesPerFile, &c.CapacityFiles
	if c.Bounded {
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

func (c computed) writeYAML(w io.Writer) error {
	text, err := yaml.Marshal(c.report())
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write the YAML: %w", err)
	}
	return nil
}

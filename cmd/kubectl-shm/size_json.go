package main

import (
	"encoding/json"
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
	MeanFiles          *float64     `json:"meanFiles"`
	PeakFiles          *int64       `json:"peakFiles"`
	BytesPerFile       *policy.Bytes `json:"bytesPerFile"`
	DemandBytes        *policy.Bytes `json:"demandBytes"`
	SizeLimit          string       `json:"sizeLimit"`
	SizeLimitBytes     policy.Bytes `json:"sizeLimitBytes"`
	CapacityFiles      *int64       `json:"capacityFiles"`
	KernelBytesPerFile *policy.Bytes `json:"kernelBytesPerFile"`
	KernelMemoryBytes  policy.Bytes `json:"kernelMemoryBytes"`
	ChargeBytes        policy.Bytes `json:"chargeBytes"`
	SteadyStateBytes   policy.Bytes `json:"steadyStateBytes"`
	EffectiveBytes     policy.Bytes `json:"effectiveBytes"`
	Bounded            bool         `json:"bounded"`
	Saturated          bool         `json:"saturated"`
	FullAfterSeconds   *int64       `json:"fullAfterSeconds"`
	Findings           []finding    `json:"findings"`
}

func (r result) report() sizeReport {
	out := sizeReport{
		SizeLimit:         r.Limit.Quantity().String(),
		SizeLimitBytes:    r.Limit,
		KernelMemoryBytes: r.KernelMemory,
		ChargeBytes:       r.Charge,
		SteadyStateBytes:  r.SteadyState,
		EffectiveBytes:    r.effective,
		Bounded:           r.Bounded,
		Saturated:         r.Saturated,
		Findings:          r.findings,
	}
	if r.Demand != policy.MaxBytes {
		out.DemandBytes = &r.Demand
	}
	if r.files() == nil {
		return out
	}
	out.BytesPerFile, out.KernelBytesPerFile, out.CapacityFiles = &r.BytesPerFile, &r.KernelBytesPerFile, &r.CapacityFiles
	if r.Bounded {
		// Beyond a thousandth there is only what the binary fractions of the rate leave.
		mean := math.Round(r.MeanFiles*1000) / 1000
		out.MeanFiles = &mean
		if r.PeakFiles != math.MaxInt64 {
			out.PeakFiles = &r.PeakFiles
		}
	}
	if r.fills(r.Limit) {
		seconds := int64(r.FullAfterOf(r.Limit) / time.Second)
		out.FullAfterSeconds = &seconds
	}
	return out
}

func (r result) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r.report()); err != nil {
		return fmt.Errorf("write the JSON: %w", err)
	}
	return nil
}

func (r result) writeYAML(w io.Writer) error {
	text, err := yaml.Marshal(r.report())
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write the YAML: %w", err)
	}
	return nil
}

package model

import (
	"errors"
	"strconv"
	"time"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Arithmetic returns a files model as numbers, and the bounds that its own headroom and the node's
// tmpfs make, without the policy's min and max. The compiler has read the same texts, so an error here
// is a mistake of this program.
func (m Model) Arithmetic() (sizing.Files, sizing.Bounds, error) {
	f, s := m.Files(), m.Spec.Sizing
	if f == nil {
		return sizing.Files{}, sizing.Bounds{}, errors.New("the policy has no files model")
	}
	out := sizing.Files{Batch: int64(*f.Batch), FileSize: sizing.BytesOf(f.FileSize)}
	var errs [4]error
	out.CreatedPerMinute, errs[0] = strconv.ParseFloat(f.CreatedPerMinute, 64)
	if f.Retention != nil {
		out.Retention, errs[1] = time.ParseDuration(string(*f.Retention))
	}
	out.SweepInterval, errs[2] = time.ParseDuration(string(*f.SweepInterval))
	out.OverflowProbability, errs[3] = strconv.ParseFloat(f.OverflowProbability, 64)
	if f.NameLength != nil {
		out.NameLength = int64(*f.NameLength)
	}
	bounds := sizing.Bounds{HeadroomPercent: m.Headroom(), Max: sizing.MaxBytes, PageSize: sizing.BytesOf(*s.PageSize)}
	if s.KernelBytesPerFile != nil {
		bounds.KernelBytesPerFile = sizing.Bytes(*s.KernelBytesPerFile)
	}
	return out, bounds, errors.Join(errs[:]...)
}

// Headroom returns the headroom in per cent; only a files model has some if none is named.
func (m Model) Headroom() int64 {
	switch {
	case m.Spec.Sizing.HeadroomPercent != nil:
		return int64(*m.Spec.Sizing.HeadroomPercent)
	case m.Files() != nil:
		return policy.DefaultFilesHeadroom
	default:
		return 0
	}
}

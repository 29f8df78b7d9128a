package simulate

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

// Bounds that keep a run within a few seconds and a few hundred megabytes whatever is asked of it. Run refuses what is beyond them.
const (
	// MaxArrivals bounds Arrivals. An arrival that is alive takes 16 bytes for each volume, and less where one sweep deletes several.
	MaxArrivals = 20_000_000
	// MaxSamples bounds Options.Span / Options.Step.
	MaxSamples = 100_000
	// MaxSpan bounds Options.Span. It leaves room to add a retention to a moment of the run without overflow.
	MaxSpan = 100 * 365 * 24 * time.Hour

	maxVolumes = 8 // as many as the colours that a reader can tell apart
	maxBatch   = 1_000_000_000
	maxName    = 63 // runes
)

// Arrivals returns what a run costs: how many arrivals are expected in a span, counted once for each volume.
func (m Workload) Arrivals(span time.Duration, volumes int) float64 {
	return m.CreatedPerMinute / float64(m.Batch) * span.Minutes() * float64(volumes)
}

// validate returns every fault of the input at once, one on a line, in the order of the fields.
func validate(m Workload, volumes []Volume, o Options) error {
	faults := append(validateWorkload(m), validateVolumes(volumes)...)
	faults = append(faults, validateOptions(o)...)
	// The cost of the run means something only when its terms do.
	if len(faults) == 0 {
		faults = append(faults, validateCost(m, len(volumes), o))
	}
	return errors.Join(faults...)
}

func validateWorkload(m Workload) []error {
	var faults []error
	if !(m.CreatedPerMinute > 0) || math.IsInf(m.CreatedPerMinute, 0) {
		faults = append(faults, fmt.Errorf(`createdPerMinute "%v" is not a rate: give a finite number of files per minute above 0, such as 18`, m.CreatedPerMinute))
	}
	if m.Batch < 1 || m.Batch > maxBatch {
		faults = append(faults, fmt.Errorf(`batch "%d" is not a number of files from 1 to %s: give 1 for files that arrive one by one`, m.Batch, human.Count(maxBatch)))
	}
	if m.Retention < 0 {
		faults = append(faults, fmt.Errorf(`retention "%v" is negative: give the age up to which files are kept, or 0 when nothing is ever deleted`, m.Retention))
	}
	if m.SweepInterval < 0 {
		faults = append(faults, fmt.Errorf(`sweepInterval "%v" is negative: give the time between two sweeps, or 0 when each file is deleted on its own`, m.SweepInterval))
	}
	if m.BytesPerFile < 1 {
		faults = append(faults, fmt.Errorf(`bytesPerFile "%d" is less than 1, and files that cost nothing fill nothing: give the file size rounded up to whole pages, such as 4096`, m.BytesPerFile))
	}
	return faults
}

func validateVolumes(volumes []Volume) []error {
	var faults []error
	if len(volumes) < 1 || len(volumes) > maxVolumes {
		faults = append(faults, fmt.Errorf(`volumes: "%d" given: give from 1 to %d`, len(volumes), maxVolumes))
	}
	seen := make(map[string]int, len(volumes))
	for i, v := range volumes {
		if v.Bytes < 1 {
			faults = append(faults, fmt.Errorf(`volumes[%d].bytes "%d" is less than 1: give the size of the volume in bytes`, i, v.Bytes))
		}
		if !printable(v.Name) || v.Name == "" || utf8.RuneCountInString(v.Name) > maxName {
			faults = append(faults, fmt.Errorf(`volumes[%d].name %q is not a line of 1 to %d printable characters: give a short name, such as "default"`, i, v.Name, maxName))
		}
		label := v.Label()
		if first, found := seen[label]; found {
			faults = append(faults, fmt.Errorf(`volumes[%d] %q is volumes[%d] once more: leave it out, or give it another name`, i, label, first))
			continue
		}
		seen[label] = i
	}
	return faults
}

func validateOptions(o Options) []error {
	var faults []error
	if o.Span <= 0 || o.Span > MaxSpan {
		faults = append(faults, fmt.Errorf(`span "%v" is not above 0 and at most %v: give the length of the run, such as 336h`, o.Span, MaxSpan))
	}
	if o.Step <= 0 {
		faults = append(faults, fmt.Errorf(`step "%v" is not above 0: give the time between two samples, such as 1h`, o.Step))
	}
	if o.Span > 0 && o.Step > 0 && o.Span/o.Step > MaxSamples {
		faults = append(faults, fmt.Errorf(`step "%v" makes more than %s samples in a span of %v: give a longer step or a shorter span`, o.Step, human.Count(MaxSamples), o.Span))
	}
	return faults
}

func validateCost(m Workload, volumes int, o Options) error {
	arrivals := m.Arrivals(o.Span, volumes)
	if arrivals <= MaxArrivals {
		return nil
	}
	return fmt.Errorf(`createdPerMinute "%v" in batches of %d makes about %.3g arrivals in a span of %v (volumes: %d), more than the %s that a run may take: give a shorter span, a larger batch or fewer volumes`,
		m.CreatedPerMinute, m.Batch, arrivals, o.Span, volumes, human.Count(MaxArrivals))
}

// printable reports whether s is one line of valid UTF-8 that a table, an SVG and a terminal show as it is.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

package simulate

import (
	"errors"
	"fmt"
	"math"
	"strings"
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

// faults collects what is wrong with an input.
type faults []error

// when adds a fault if there is one.
func (f *faults) when(wrong bool, format string, args ...any) {
	if wrong {
		*f = append(*f, fmt.Errorf(format, args...))
	}
}

// validate returns every fault of the input at once, one on a line, in the order of the fields.
func validate(m Workload, volumes []Volume, o Options) error {
	var f faults
	f.when(!(m.CreatedPerMinute > 0) || math.IsInf(m.CreatedPerMinute, 0), `createdPerMinute "%v" is not a rate: give a finite number of files per minute above 0, such as 18`, m.CreatedPerMinute)
	f.when(m.Batch < 1 || m.Batch > maxBatch, `batch "%d" is not a number of files from 1 to %s: give 1 for files that arrive one by one`, m.Batch, human.Count(maxBatch))
	f.when(m.Retention < 0, `retention "%v" is negative: give the age up to which files are kept, or 0 when nothing is ever deleted`, m.Retention)
	f.when(m.SweepInterval < 0, `sweepInterval "%v" is negative: give the time between two sweeps, or 0 when each file is deleted on its own`, m.SweepInterval)
	f.when(m.BytesPerFile < 1, `bytesPerFile "%d" is less than 1, and files that cost nothing fill nothing: give the file size rounded up to whole pages, such as 4096`, m.BytesPerFile)
	f.volumes(volumes)
	f.when(o.Span <= 0 || o.Span > MaxSpan, `span "%v" is not above 0 and at most %v: give the length of the run, such as 336h`, o.Span, MaxSpan)
	f.when(o.Step <= 0, `step "%v" is not above 0: give the time between two samples, such as 1h`, o.Step)
	f.when(o.Span > 0 && o.Step > 0 && o.Span/o.Step > MaxSamples, `step "%v" makes more than %s samples in a span of %v: give a longer step or a shorter span`, o.Step, human.Count(MaxSamples), o.Span)
	// The cost of the run means something only when its terms do.
	if len(f) == 0 {
		arrivals := m.Arrivals(o.Span, len(volumes))
		f.when(arrivals > MaxArrivals, `createdPerMinute "%v" in batches of %d makes about %.3g arrivals in a span of %v (volumes: %d), more than the %s that a run may take: give a shorter span, a larger batch or fewer volumes`,
			m.CreatedPerMinute, m.Batch, arrivals, o.Span, len(volumes), human.Count(MaxArrivals))
	}
	return errors.Join(f...)
}

func (f *faults) volumes(volumes []Volume) {
	f.when(len(volumes) < 1 || len(volumes) > maxVolumes, `volumes: "%d" given: give from 1 to %d`, len(volumes), maxVolumes)
	seen := make(map[string]int, len(volumes))
	for i, v := range volumes {
		label := v.Label()
		first, found := seen[label]
		f.when(v.Bytes < 1, `volumes[%d].bytes "%d" is less than 1: give the size of the volume in bytes`, i, v.Bytes)
		f.when(!printable(v.Name) || v.Name == "" || utf8.RuneCountInString(v.Name) > maxName, `volumes[%d].name %q is not a line of 1 to %d printable characters: give a short name, such as "default"`, i, v.Name, maxName)
		f.when(found, `volumes[%d] %q is volumes[%d] once more: leave it out, or give it another name`, i, label, first)
		if !found {
			seen[label] = i
		}
	}
}

// printable reports whether s is one line of valid UTF-8 that a table, an SVG and a terminal show as it is.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

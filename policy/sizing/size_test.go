package sizing_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// week returns the workload of docs/explanation/incident.md.
func week() sizing.Files {
	return sizing.Files{
		CreatedPerMinute:    18,
		Batch:               1,
		Retention:           168 * time.Hour,
		SweepInterval:       5 * time.Minute,
		FileSize:            1500,
		OverflowProbability: 1e-6,
	}
}

// usual returns the bounds that a policy has by default.
func usual() sizing.Bounds {
	return sizing.Bounds{
		HeadroomPercent: 25,
		Min:             64 * sizing.MiB,
		Max:             4 * sizing.GiB,
		PageSize:        4 * sizing.KiB,
	}
}

// compare fails the test if a Size is not as wanted; unexported fields are not compared.
func compare(t *testing.T, got, want sizing.Size) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sizing.Size{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The incident of docs/explanation/incident.md, and its variants.
func TestFiles_Size(t *testing.T) {
	day := week()
	day.Retention = 24 * time.Hour
	twoPages := day
	twoPages.FileSize = 5000
	forever := week()
	forever.Retention = 0
	capped := usual()
	capped.Max = 256 * sizing.MiB
	for name, c := range map[string]struct {
		files  sizing.Files
		bounds sizing.Bounds
		want   sizing.Size
	}{
		"as on the day: a week's retention": {week(), usual(), sizing.Size{
			Required:           183559 * 4096,
			Limit:              897 * sizing.MiB,
			Minimum:            183559 * 4096,
			MeanFiles:          181530,
			PeakFiles:          183559,
			BytesPerFile:       4096,
			KernelBytesPerFile: 1216,
			CapacityFiles:      229632,
			KernelMemory:       229632 * 1216,
			MemoryCost:         1219805184,       // 1163.30Mi
			AverageUse:         897 * sizing.MiB, // 181,485 files would take 919.4Mi
			Bounded:            true,
		}},
		"with a day's retention": {day, usual(), sizing.Size{
			Required:           26780 * 4096,
			Limit:              131 * sizing.MiB,
			Minimum:            26780 * 4096,
			MeanFiles:          26010,
			PeakFiles:          26780,
			BytesPerFile:       4096,
			KernelBytesPerFile: 1216,
			CapacityFiles:      33536,
			KernelMemory:       33536 * 1216,
			MemoryCost:         178143232,
			AverageUse:         131 * sizing.MiB, // 25,965 files would take 131.5Mi
			Bounded:            true,
		}},
		"with a max below what is required": {week(), capped, sizing.Size{
			Required:           183559 * 4096,
			Limit:              256 * sizing.MiB,
			Minimum:            256 * sizing.MiB,
			MeanFiles:          181530,
			PeakFiles:          183559,
			BytesPerFile:       4096,
			KernelBytesPerFile: 1216,
			CapacityFiles:      65536,
			KernelMemory:       65536 * 1216,
			MemoryCost:         348127232,
			AverageUse:         256 * sizing.MiB,
			Bounded:            true,
			Saturated:          true,
			FullAfter:          65536 * time.Minute / 18,
		}},
		"without retention": {forever, usual(), sizing.Size{
			Required:           sizing.MaxBytes,
			Limit:              4 * sizing.GiB,
			Minimum:            4 * sizing.GiB,
			BytesPerFile:       4096,
			KernelBytesPerFile: 1216,
			CapacityFiles:      1048576,
			KernelMemory:       1048576 * 1216,
			MemoryCost:         5570035712,
			AverageUse:         4 * sizing.GiB,
			FullAfter:          1048576 * time.Minute / 18,
		}},
		"with files of two pages": {twoPages, usual(), sizing.Size{
			Required:           26780 * 8192,
			Limit:              262 * sizing.MiB,
			Minimum:            26780 * 8192,
			MeanFiles:          26010,
			PeakFiles:          26780,
			BytesPerFile:       8192,
			KernelBytesPerFile: 1216 + 592,
			CapacityFiles:      33536,
			KernelMemory:       33536 * (1216 + 592),
			MemoryCost:         335360000,
			AverageUse:         25965 * (8192 + 1216 + 592),
			Bounded:            true,
		}},
	} {
		t.Run(name, func(t *testing.T) { compare(t, c.files.Size(c.bounds), c.want) })
	}
	after := week().Size(usual()).FullAfterOf(sizing.DefaultShm)
	if got := human.Duration(after); got != "15 h 10 min" {
		t.Errorf("the runtime's default is full after %s, want 15 h 10 min", got)
	}
}

// A size never falls if the rate, the retention, the file size or the certainty asked for rises,
// and it lies within its bounds.
func TestFiles_MonotoneAndWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rates := ordered(t, "rate", 1, 1_000_000)
		hours := ordered(t, "retention", 1, 10_000)
		sizes := ordered(t, "file size", 1, 1<<22)
		exponents := ordered(t, "certainty", 1, 12)
		batch := rapid.Int64Range(1, 1000).Draw(t, "batch")
		b := usual()
		b.HeadroomPercent = rapid.Int64Range(0, 1000).Draw(t, "headroom")
		b.Max = sizing.MiB.Times(rapid.Int64Range(64, 1<<20).Draw(t, "max"))
		size := func(i, j, k, l int) sizing.Size {
			return sizing.Files{
				CreatedPerMinute:    float64(rates[i]) / 1000,
				Batch:               batch,
				Retention:           time.Duration(hours[j]) * time.Hour,
				SweepInterval:       5 * time.Minute,
				FileSize:            sizing.Bytes(sizes[k]),
				OverflowProbability: math.Pow10(-exponents[l]),
			}.Size(b)
		}
		low := size(0, 0, 0, 0)
		for name, high := range map[string]sizing.Size{
			"rate":      size(1, 0, 0, 0),
			"retention": size(0, 1, 0, 0),
			"file size": size(0, 0, 1, 0),
			"certainty": size(0, 0, 0, 1),
		} {
			if high.Limit < low.Limit || high.Required < low.Required ||
				high.Minimum < low.Minimum ||
				high.PeakFiles < low.PeakFiles || high.AverageUse < low.AverageUse {
				t.Fatalf("with a higher %s the size falls: %+v, then %+v", name, low, high)
			}
			if high.Limit < b.Min || high.Limit > b.Max || high.Limit%sizing.MiB != 0 {
				t.Fatalf("limit %d is not whole MiB from %d to %d", high.Limit, b.Min, b.Max)
			}
			if high.Minimum < b.Min || high.Minimum > high.Limit {
				t.Fatalf("minimum %d is not from %d to %d", high.Minimum, b.Min, high.Limit)
			}
			if float64(high.PeakFiles) < math.Floor(high.MeanFiles)-float64(batch) {
				t.Fatalf("peak %d is below the mean %g", high.PeakFiles, high.MeanFiles)
			}
			if high.MemoryCost < high.Limit || high.AverageUse > high.Limit ||
				high.Saturated != (high.Limit < high.Required) {
				t.Fatalf("impossible size %+v", high)
			}
		}
	})
}

func ordered(t *rapid.T, label string, least, most int) [2]int {
	a := rapid.IntRange(least, most).Draw(t, label)
	return [2]int{a, rapid.IntRange(a, most).Draw(t, label+" or more")}
}

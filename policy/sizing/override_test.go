package sizing_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestSize_WithLimit(t *testing.T) {
	base := week().Size(usual())
	half := sizing.Requirement{Required: sizing.GiB, UsePercent: 50}.Size(usual())
	forever := week()
	forever.Retention = 0
	files := sizing.Size{
		Required:           183559 * 4096,
		MeanFiles:          181530,
		PeakFiles:          183559,
		BytesPerFile:       4096,
		KernelBytesPerFile: 1216,
		Bounded:            true,
	}
	small, exact, below, large, endless := files, files, files, files, files
	small.Limit, small.Minimum = 64*sizing.MiB, 64*sizing.MiB
	small.CapacityFiles, small.KernelMemory = 16384, 16384*1216
	small.MemoryCost, small.AverageUse = 64*sizing.MiB+16384*1216, 64*sizing.MiB
	small.Saturated, small.FullAfter = true, 16384*time.Minute/18

	exact.Limit, exact.Minimum = 183559*4096, 183559*4096
	exact.CapacityFiles, exact.KernelMemory = 183559, 183559*1216
	exact.MemoryCost, exact.AverageUse = 183559*(4096+1216), 183559*4096

	below.Limit, below.Minimum = 183559*4096-1, 183559*4096-1
	below.CapacityFiles, below.KernelMemory = 183558, 183558*1216
	below.MemoryCost, below.AverageUse = 183559*4096-1+183558*1216, 183559*4096-1
	below.Saturated, below.FullAfter = true, 183558*time.Minute/18

	large.Limit, large.Minimum = 2*sizing.GiB, 2*sizing.GiB
	large.CapacityFiles, large.KernelMemory = 524288, 524288*1216
	large.MemoryCost, large.AverageUse = 2*sizing.GiB+524288*1216, 181485*(4096+1216)

	endless.Required, endless.MeanFiles, endless.PeakFiles = sizing.MaxBytes, 0, 0
	endless.Bounded = false
	endless.Limit, endless.Minimum = sizing.GiB, sizing.GiB
	endless.CapacityFiles, endless.KernelMemory = 262144, 262144*1216
	endless.MemoryCost, endless.AverageUse = sizing.GiB+262144*1216, sizing.GiB
	endless.FullAfter = 262144 * time.Minute / 18

	for name, c := range map[string]struct {
		size  sizing.Size
		limit sizing.Bytes
		want  sizing.Size
	}{
		"files, less than required":          {base, 64 * sizing.MiB, small},
		"files, exactly what is required":    {base, 183559 * 4096, exact},
		"files, one byte less than required": {base, 183559*4096 - 1, below},
		"files, more than the max":           {base, 2 * sizing.GiB, large},
		"files, twice":                       {base.WithLimit(sizing.MiB), 2 * sizing.GiB, large},
		"files that are never deleted":       {forever.Size(usual()), sizing.GiB, endless},
		"a Requirement requires the override": {half, 65 * sizing.MiB, sizing.Size{
			Required:     65 * sizing.MiB,
			Limit:        65 * sizing.MiB,
			Minimum:      65 * sizing.MiB,
			KernelMemory: 1216 + (260+5+1)*592,
			MemoryCost:   65*sizing.MiB + 1216 + 266*592,
			AverageUse:   65 * sizing.MiB / 2,
			Bounded:      true,
		}},
		"a Requirement of nothing": {half, 0, sizing.Size{Bounded: true}},
	} {
		t.Run(name, func(t *testing.T) { compare(t, c.size.WithLimit(c.limit), c.want) })
	}
	if again := week().Size(usual()); again != base {
		t.Error("an override changed the Size it was made from")
	}
}

func TestSize_MemoryCostOf(t *testing.T) {
	bounds := usual()
	sized := func(fileSize sizing.Bytes) sizing.Size {
		return sizing.Requirement{Required: sizing.GiB, FileSize: fileSize}.Size(bounds)
	}
	for name, c := range map[string]struct {
		size         sizing.Size
		volume, want sizing.Bytes
	}{
		"nothing":                           {sized(1500), 0, 0},
		"nothing, one large file":           {sized(0), 0, 0},
		"a negative volume":                 {sized(1500), -1, 0},
		"one byte":                          {sized(1500), 1, 1 + 1216},
		"one file":                          {sized(1500), 4096, 4096 + 1216},
		"a byte less than two files":        {sized(1500), 8191, 8191 + 1216},
		"two files":                         {sized(1500), 8192, 8192 + 2*1216},
		"a file that does not fit":          {sized(65 * 4096), 64 * 4096, 64*4096 + 1216 + 592},
		"a file that just fits":             {sized(65 * 4096), 65 * 4096, 65*4096 + 1216 + 3*592},
		"a file that is larger by far":      {sized(sizing.GiB), 4096, 4096 + 1216},
		"files of the week's kind":          {week().Size(bounds), 897 * sizing.MiB, 1219805184},
		"more than fits":                    {sized(1500), sizing.MaxBytes, sizing.MaxBytes},
		"a volume whose kernel memory does": {sized(1500), sizing.MaxBytes - 1, sizing.MaxBytes},
	} {
		if got := c.size.MemoryCostOf(c.volume); got != c.want {
			t.Errorf("%s: %d, want %d", name, int64(got), int64(c.want))
		}
	}
}

func TestSize_AverageUseOf(t *testing.T) {
	const average = 181485 * (4096 + 1216)
	files := week().Size(usual())
	forever := week()
	forever.Retention = 0
	requirement := sizing.Requirement{Required: 1000, UsePercent: 50}.Size(usual())
	for _, c := range []struct {
		size         sizing.Size
		volume, want sizing.Bytes
	}{
		{files, -1, 0},
		{files, 0, 0},
		{files, average - 1, average - 1},
		{files, average, average},
		{files, average + 1, average},
		// It is the model's, though the size was cut.
		{files.WithLimit(sizing.MiB), sizing.GiB, average},
		{forever.Size(usual()), sizing.GiB, sizing.GiB},
		{requirement, 499, 499},
		{requirement, 501, 500},
		{requirement.WithLimit(2000), sizing.GiB, 1000},
	} {
		if got := c.size.AverageUseOf(c.volume); got != c.want {
			t.Errorf("of %d: %d, want %d", int64(c.volume), int64(got), int64(c.want))
		}
	}
}

// A file lives until the first sweep after its retention: half an interval later on average.
func TestFiles_AverageUse(t *testing.T) {
	f := week()
	f.CreatedPerMinute, f.Retention, f.SweepInterval = 1, time.Hour, 30*time.Minute
	s := f.Size(usual())
	if s.MeanFiles != 90 || s.AverageUse != 75*(4096+1216) {
		t.Errorf("%g before a sweep and %d on average, want 90 and %d",
			s.MeanFiles, int64(s.AverageUse), 75*(4096+1216))
	}
	f.CreatedPerMinute, f.SweepInterval = 0.01, 0 // 0.6 files of 5,312 B: 3,187.2 B
	if got := f.Size(usual()).AverageUse; got != 3188 {
		t.Errorf("%d, want 3188", int64(got))
	}
	f.CreatedPerMinute = 0.0101 // 0.606 files: 3,219.07 B
	if got := f.Size(usual()).AverageUse; got != 3220 {
		t.Errorf("%d, want 3220", int64(got))
	}
}

func TestFiles_Batch(t *testing.T) {
	f := week()
	f.CreatedPerMinute, f.Retention, f.SweepInterval = 100, 9*time.Minute, time.Minute
	f.OverflowProbability = 0.1
	// The 0.9 quantiles of Poisson distributions of the means 1000, 100, 10 and 1.
	for batch, want := range map[int64]int64{
		-1: 1041, 0: 1041, 1: 1041, 10: 10 * 113, 100: 100 * 14, 1000: 1000 * 2,
	} {
		f.Batch = batch
		got := f.Size(usual())
		if got.PeakFiles != want || got.MeanFiles != 1000 {
			t.Errorf("batches of %d: peak %d, mean %g; want %d, 1000", batch, got.PeakFiles,
				got.MeanFiles, want)
		}
	}
}

func TestFiles_MoreThanFits(t *testing.T) {
	f := week()
	f.CreatedPerMinute = math.MaxFloat64
	s := f.Size(usual())
	if s.PeakFiles != math.MaxInt64 || s.Required != sizing.MaxBytes ||
		s.Limit != 4*sizing.GiB || s.AverageUse != 4*sizing.GiB || !s.Saturated {
		t.Errorf("unexpected size %+v", s)
	}
	f = week()
	f.FileSize = sizing.MaxBytes
	s = f.Size(usual())
	if s.Required != sizing.MaxBytes || s.CapacityFiles != 0 || s.AverageUse != 4*sizing.GiB {
		t.Errorf("unexpected size %+v", s)
	}
}

// An average use of exactly 2^63 bytes is one more than fits.
func TestFiles_AverageUseThatJustDoesNotFit(t *testing.T) {
	f := week()
	f.CreatedPerMinute, f.Retention, f.SweepInterval = 1<<50, time.Minute, 0
	b := usual()
	b.KernelBytesPerFile = 4096 - 104 // with a page and a name 8192 B
	if got := f.Size(b).AverageUseOf(sizing.MaxBytes); got != sizing.MaxBytes {
		t.Errorf("%d, want the most", int64(got))
	}
}

func TestFiles_ShortestRetention(t *testing.T) {
	f := week()
	for retention, want := range map[time.Duration]bool{-1: false, 0: false, 1: true} {
		f.Retention = retention
		if got := f.Size(usual()).Bounded; got != want {
			t.Errorf("a retention of %d ns: bounded %t, want %t", retention, got, want)
		}
	}
}

func TestSize_CapacityOf(t *testing.T) {
	s := week().Size(usual())
	for volume, want := range map[sizing.Bytes]int64{
		-8192: 0, 0: 0, 4095: 0, 4096: 1, 8191: 1, 8192: 2, 64 * sizing.MiB: 16384,
	} {
		if got := s.CapacityOf(volume); got != want {
			t.Errorf("%d holds %d files, want %d", int64(volume), got, want)
		}
	}
	if got := (sizing.Requirement{Required: sizing.GiB}).Size(usual()).CapacityOf(sizing.GiB); got != 0 {
		t.Errorf("without a file size: %d files, want 0", got)
	}
}

func TestSize_FullAfterOf(t *testing.T) {
	f := week()
	f.CreatedPerMinute = 0.5
	s := f.Size(usual())
	for volume, want := range map[sizing.Bytes]time.Duration{
		0: 0, 4095: 0, 4096: 2 * time.Minute, 8192: 4 * time.Minute,
	} {
		if got := s.FullAfterOf(volume); got != want {
			t.Errorf("%d is full after %s, want %s", int64(volume), got, want)
		}
	}
	if s.FullAfter != 0 {
		t.Errorf("a size that is enough is full after %s", s.FullAfter)
	}
	f.CreatedPerMinute = 1e-9
	if got := f.Size(usual()).FullAfterOf(sizing.GiB); got != sizing.MaxFullAfter {
		t.Errorf("a slow one is full after %s, want %s", got, sizing.MaxFullAfter)
	}
	f.CreatedPerMinute = 6e10 / (1 << 63) // a file takes 2^63 ns, one more than fit
	if got := f.Size(usual()).FullAfterOf(4096); got != sizing.MaxFullAfter {
		t.Errorf("one of 2^63 ns is full after %s, want %s", got, sizing.MaxFullAfter)
	}
	requirement := sizing.Requirement{Required: 8 * sizing.GiB, FileSize: 1}.Size(usual())
	if got := requirement.FullAfterOf(sizing.GiB); got != 0 || requirement.FullAfter != 0 {
		t.Errorf("a Requirement is full after %s, want 0", got)
	}
}

func TestSize_Overflows(t *testing.T) {
	f := week()
	f.CreatedPerMinute, f.Retention, f.SweepInterval = 1, 90*time.Minute, 10*time.Minute
	s := f.Size(usual())
	f.Retention = 0
	forever := f.Size(usual())
	requirement := sizing.Requirement{Required: sizing.GiB, FileSize: 1}.Size(usual())
	for name, c := range map[string]struct {
		size   sizing.Size
		volume sizing.Bytes
		want   bool
	}{
		"one file less than the mean":  {s, 99 * 4096, true},
		"one byte less than the mean":  {s, 100*4096 - 1, true},
		"the mean":                     {s, 100 * 4096, false},
		"files that are never deleted": {forever, 1 << 60, true},
		"a Requirement":                {requirement, 1, false},
		"no size at all":               {sizing.Size{}, 0, false},
	} {
		if got := c.size.Overflows(c.volume); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

// A larger volume never costs less, uses less or is full earlier, and never uses more than it
// holds.
func TestSize_MonotoneInTheVolume(t *testing.T) {
	volumes := rapid.OneOf(rapid.Int64Range(0, 1<<24), rapid.Int64Range(0, 1<<50))
	rapid.Check(t, func(t *rapid.T) {
		a, b := volumes.Draw(t, "a"), volumes.Draw(t, "b")
		low, high := sizing.Bytes(min(a, b)), sizing.Bytes(max(a, b))
		fileSize := sizing.Bytes(rapid.Int64Range(1, 1<<24).Draw(t, "file size"))
		f := week()
		f.FileSize, f.NameLength = fileSize, rapid.Int64Range(0, 255).Draw(t, "name length")
		share := func(fileSize sizing.Bytes) sizing.Requirement {
			return sizing.Requirement{Required: sizing.GiB, FileSize: fileSize, UsePercent: 50}
		}
		for name, s := range map[string]sizing.Size{
			"files":          f.Size(usual()),
			"Requirement":    share(fileSize).Size(usual()),
			"one large file": share(0).Size(usual()),
		} {
			if s.MemoryCostOf(low) > s.MemoryCostOf(high) || s.MemoryCostOf(low) < low ||
				s.AverageUseOf(low) > s.AverageUseOf(high) || s.AverageUseOf(low) > low ||
				s.CapacityOf(low) > s.CapacityOf(high) ||
				s.FullAfterOf(low) > s.FullAfterOf(high) ||
				s.Overflows(high) && !s.Overflows(low) {
				t.Fatalf("%s: not monotone from %d to %d", name, low, high)
			}
			over := s.WithLimit(high)
			if over.Limit != high || over.Minimum != high ||
				over.MemoryCost != s.MemoryCostOf(high) ||
				over.WithLimit(low) != s.WithLimit(low) {
				t.Fatalf("%s: an override of %d gives %+v", name, high, over)
			}
		}
	})
}

package sizing_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func TestRequirement_Size(t *testing.T) {
	noHeadroom := usual()
	noHeadroom.HeadroomPercent = 0
	for name, c := range map[string]struct {
		requirement sizing.Requirement
		bounds      sizing.Bounds
		want        sizing.Size
	}{
		"one large file": {
			sizing.Requirement{Required: sizing.GiB, UsePercent: 100},
			usual(),
			sizing.Size{
				Required:     sizing.GiB,
				Limit:        1280 * sizing.MiB,
				Minimum:      sizing.GiB,
				KernelMemory: 1216 + (5120+80+2+1)*592,
				MemoryCost:   1280*sizing.MiB + 1216 + 5203*592,
				AverageUse:   sizing.GiB,
				Bounded:      true,
			},
		},
		"many files, half in use": {
			sizing.Requirement{Required: sizing.GiB, FileSize: 64 * sizing.KiB, UsePercent: 50},
			noHeadroom,
			sizing.Size{
				Required:           sizing.GiB,
				Limit:              sizing.GiB,
				Minimum:            sizing.GiB,
				BytesPerFile:       65536,
				KernelBytesPerFile: 1216 + 592,
				CapacityFiles:      16384,
				KernelMemory:       16384 * (1216 + 592),
				MemoryCost:         sizing.GiB + 16384*(1216+592),
				AverageUse:         512 * sizing.MiB,
				Bounded:            true,
			},
		},
		"below the min: the use is of what is required": {
			sizing.Requirement{Required: 101, UsePercent: 1},
			usual(),
			sizing.Size{
				Required:     101,
				Limit:        64 * sizing.MiB,
				Minimum:      64 * sizing.MiB,
				KernelMemory: 1216 + 261*592,
				MemoryCost:   64*sizing.MiB + 1216 + 261*592,
				AverageUse:   2,
				Bounded:      true,
			},
		},
		"above the max: the use is at most the limit": {
			sizing.Requirement{Required: 4*sizing.GiB + 1, FileSize: 1, UsePercent: 100},
			usual(),
			sizing.Size{
				Required:           4*sizing.GiB + 1,
				Limit:              4 * sizing.GiB,
				Minimum:            4 * sizing.GiB,
				BytesPerFile:       4096,
				KernelBytesPerFile: 1216,
				CapacityFiles:      1048576,
				KernelMemory:       1048576 * 1216,
				MemoryCost:         4*sizing.GiB + 1048576*1216,
				AverageUse:         4 * sizing.GiB,
				Bounded:            true,
				Saturated:          true,
			},
		},
		"at the max": {
			sizing.Requirement{Required: 4 * sizing.GiB, FileSize: 1},
			usual(),
			sizing.Size{
				Required:           4 * sizing.GiB,
				Limit:              4 * sizing.GiB,
				Minimum:            4 * sizing.GiB,
				BytesPerFile:       4096,
				KernelBytesPerFile: 1216,
				CapacityFiles:      1048576,
				KernelMemory:       1048576 * 1216,
				MemoryCost:         4*sizing.GiB + 1048576*1216,
				Bounded:            true,
			},
		},
		"nothing required, no min": {
			sizing.Requirement{UsePercent: 100},
			sizing.Bounds{Max: sizing.GiB},
			sizing.Size{Bounded: true},
		},
	} {
		t.Run(name, func(t *testing.T) { compare(t, c.requirement.Size(c.bounds), c.want) })
	}
}

// The limit is rounded up once, after the headroom, to whole MiB; the minimum is not rounded.
func TestRequirement_LimitAndMinimum(t *testing.T) {
	const mi, most = sizing.MiB, sizing.MaxBytes
	for name, c := range map[string]struct {
		required       sizing.Bytes
		headroom       int64
		min, max       sizing.Bytes
		limit, minimum sizing.Bytes
	}{
		"whole MiB without headroom":    {100 * mi, 0, 0, 200 * mi, 100 * mi, 100 * mi},
		"one byte above":                {100*mi + 1, 0, 0, 200 * mi, 101 * mi, 100*mi + 1},
		"one byte below":                {100*mi - 1, 0, 0, 200 * mi, 100 * mi, 100*mi - 1},
		"headroom up to whole MiB":      {100 * mi, 25, 0, 200 * mi, 125 * mi, 100 * mi},
		"headroom up to a byte above":   {80*mi + 1, 25, 0, 200 * mi, 101 * mi, 80*mi + 1},
		"one per cent of 99 MiB":        {99 * mi, 1, 0, 200 * mi, 100 * mi, 99 * mi},
		"one per cent of 100 MiB":       {100 * mi, 1, 0, 200 * mi, 101 * mi, 100 * mi},
		"at the min with its headroom":  {80 * mi, 25, 100 * mi, 200 * mi, 100 * mi, 100 * mi},
		"a byte below the min":          {100*mi - 1, 0, 100 * mi, 200 * mi, 100 * mi, 100 * mi},
		"a byte above the min":          {100*mi + 1, 0, 100 * mi, 200 * mi, 101 * mi, 100*mi + 1},
		"at the max":                    {200 * mi, 0, 0, 200 * mi, 200 * mi, 200 * mi},
		"at the max with its headroom":  {160 * mi, 25, 0, 200 * mi, 200 * mi, 160 * mi},
		"above the max by headroom":     {200 * mi, 25, 0, 200 * mi, 200 * mi, 200 * mi},
		"a byte above the max":          {200*mi + 1, 0, 0, 200 * mi, 200 * mi, 200 * mi},
		"more than fits":                {most, 25, 0, 200 * mi, 200 * mi, 200 * mi},
		"more than fits, and no max":    {most, 0, 0, most, most, most},
		"a headroom that does not fit":  {1 << 62, 100, 0, most, most, 1 << 62},
		"a min equal to the max":        {mi, 25, 100 * mi, 100 * mi, 100 * mi, 100 * mi},
		"a min equal to the max, below": {mi * 150, 25, 100 * mi, 100 * mi, 100 * mi, 100 * mi},
	} {
		t.Run(name, func(t *testing.T) {
			got := sizing.Requirement{Required: c.required}.Size(sizing.Bounds{
				HeadroomPercent: c.headroom, Min: c.min, Max: c.max, PageSize: 4 * sizing.KiB,
			})
			if got.Limit != c.limit || got.Minimum != c.minimum {
				t.Errorf("limit %d, minimum %d; want %d, %d",
					int64(got.Limit), int64(got.Minimum), int64(c.limit), int64(c.minimum))
			}
			if want := c.required > c.limit; got.Saturated != want {
				t.Errorf("saturated: %t, want %t", got.Saturated, want)
			}
		})
	}
}

func TestRequirement_AverageUseIsRoundedUp(t *testing.T) {
	for _, c := range []struct {
		required sizing.Bytes
		percent  int64
		want     sizing.Bytes
	}{
		{1000, 0, 0},
		{1000, 1, 10},
		{1001, 1, 11},
		{999, 100, 999},
		{1, 1, 1},
		{0, 100, 0},
		{sizing.GiB, 30, 322122548}, // 322122547.2
	} {
		got := sizing.Requirement{Required: c.required, UsePercent: c.percent}.Size(usual()).AverageUse
		if got != c.want {
			t.Errorf("%d%% of %d: %d, want %d", c.percent, c.required, int64(got), int64(c.want))
		}
	}
}

// The size of a Requirement never falls if what is required rises, and lies within its bounds.
func TestRequirement_MonotoneAndWithinBounds(t *testing.T) {
	amounts := rapid.OneOf(
		rapid.Int64Range(0, 1<<40),
		rapid.Int64Range(int64(sizing.MaxBytes)-1<<20, int64(sizing.MaxBytes)),
	)
	rapid.Check(t, func(t *rapid.T) {
		a, b := amounts.Draw(t, "a"), amounts.Draw(t, "b")
		fileSize := sizing.Bytes(rapid.Int64Range(0, 1<<24).Draw(t, "file size"))
		percent := rapid.Int64Range(0, 100).Draw(t, "use")
		bounds := usual()
		bounds.HeadroomPercent = rapid.Int64Range(0, 1000).Draw(t, "headroom")
		bounds.Max = sizing.MiB.Times(rapid.Int64Range(64, 1<<20).Draw(t, "max"))
		size := func(required int64) sizing.Size {
			return sizing.Requirement{
				Required: sizing.Bytes(required), FileSize: fileSize, UsePercent: percent,
			}.Size(bounds)
		}
		low, high := size(min(a, b)), size(max(a, b))
		if high.Limit < low.Limit || high.Minimum < low.Minimum ||
			high.AverageUse < low.AverageUse ||
			high.MemoryCost < low.MemoryCost || high.CapacityFiles < low.CapacityFiles {
			t.Fatalf("with more required the size falls: %+v, then %+v", low, high)
		}
		for _, s := range []sizing.Size{low, high} {
			if s.Limit < bounds.Min || s.Limit > bounds.Max || s.Limit%sizing.MiB != 0 ||
				s.Minimum < bounds.Min || s.Minimum > s.Limit || s.AverageUse > s.Limit ||
				s.MemoryCost <= s.Limit || s.Saturated != (s.Limit < s.Required) {
				t.Fatalf("impossible size %+v", s)
			}
		}
	})
}

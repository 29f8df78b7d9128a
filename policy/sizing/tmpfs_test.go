package sizing_test

import (
	"fmt"
	"testing"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// A file costs whole pages, and kernel memory: 1,112 B, 104 B for a name that is not known, and 592 B
// for each node of its page tree.
func TestFiles_BytesOfOneFile(t *testing.T) {
	const page = 4096
	for name, c := range map[string]struct {
		size, pageSize, perFile sizing.Bytes
		pages, kernel           sizing.Bytes
	}{
		"one byte":                      {1, page, 0, page, 1216},
		"one byte less than a page":     {page - 1, page, 0, page, 1216},
		"a page":                        {page, page, 0, page, 1216},
		"one byte more than a page":     {page + 1, page, 0, 2 * page, 1216 + 592},
		"64 pages: one node":            {64 * page, page, 0, 64 * page, 1216 + 592},
		"65 pages: two nodes, a root":   {64*page + 1, page, 0, 65 * page, 1216 + 3*592},
		"128 pages: two nodes, a root":  {128 * page, page, 0, 128 * page, 1216 + 3*592},
		"129 pages: three and a root":   {129 * page, page, 0, 129 * page, 1216 + 4*592},
		"4096 pages: 64 and a root":     {4096 * page, page, 0, 4096 * page, 1216 + 65*592},
		"4097 pages: 65, 2 and a root":  {4097 * page, page, 0, 4097 * page, 1216 + 68*592},
		"a page of 64 KiB":              {1500, 64 * sizing.KiB, 0, 65536, 1216},
		"two pages of 64 KiB":           {65537, 64 * sizing.KiB, 0, 131072, 1216 + 592},
		"the default page, if 0":        {1, 0, 0, page, 1216},
		"the default page, if negative": {1, -1, 0, page, 1216},
		"a page of one byte":            {2, 1, 0, 2, 1216 + 592},
		"a node's own kernel memory":    {1, page, 904, page, 904 + 104},
		"a kernel memory of one byte":   {1, page, 1, page, 1 + 104},
		"a negative kernel memory":      {1, page, -1, page, 1216},
		"its own kernel memory, nodes":  {page + 1, page, 992, 2 * page, 992 + 104 + 592},
		"a kernel memory that is most":  {1, page, sizing.MaxBytes, page, sizing.MaxBytes},
	} {
		t.Run(name, func(t *testing.T) {
			b := usual()
			b.PageSize, b.KernelBytesPerFile = c.pageSize, c.perFile
			f := week()
			f.FileSize = c.size
			for model, got := range map[string]sizing.Size{
				"Files":       f.Size(b),
				"Requirement": sizing.Requirement{Required: sizing.GiB, FileSize: c.size}.Size(b),
			} {
				if got.BytesPerFile != c.pages || got.KernelBytesPerFile != c.kernel {
					t.Errorf("%s: %d and %d of kernel memory, want %d and %d", model,
						int64(got.BytesPerFile), int64(got.KernelBytesPerFile),
						int64(c.pages), int64(c.kernel))
				}
			}
		})
	}
}

// The default covers names of up to 39 on every kernel: only those up to 6.1 charge for 32 to 39,
// and their files cost 992 B without. Users who have measured 992 get the 72 B on top.
func TestFiles_NameLength(t *testing.T) {
	for _, c := range []struct {
		first, last int64
		byDefault   sizing.Bytes
		measured    sizing.Bytes // with 992 B measured
	}{
		{-1, 0, 1112 + 104, 992 + 104}, // not known
		{1, 31, 1112, 992},
		{32, 39, 1112, 992 + 72},
		{40, 71, 1112 + 104, 992 + 104},
		{72, 103, 1112 + 136, 992 + 136},
		{104, 167, 1112 + 200, 992 + 200},
		{168, 231, 1112 + 264, 992 + 264},
		{232, 255, 1112 + 520, 992 + 520},
	} {
		for length := c.first; length <= c.last; length++ {
			f, b := week(), usual()
			f.NameLength = length
			byDefault := f.Size(b).KernelBytesPerFile
			b.KernelBytesPerFile = 992
			measured := f.Size(b).KernelBytesPerFile
			if byDefault != c.byDefault || measured != c.measured {
				t.Errorf("a name of %d: %d and %d, want %d and %d", length,
					int64(byDefault), int64(measured), int64(c.byDefault), int64(c.measured))
			}
		}
	}
}

func TestCost(t *testing.T) {
	const page = 4 * sizing.KiB
	for _, c := range []struct{ volume, pageSize, want sizing.Bytes }{
		{-1, page, 0},
		{0, page, 0},
		{1, page, 1 + 1216},
		{page, page, page + 1216},
		{page + 1, page, page + 1 + 1216 + 592},
		{64 * page, page, 64*page + 1216 + 592},
		{65 * page, page, 65*page + 1216 + 3*592},
		{65 * page, 0, 65*page + 1216 + 3*592},
		{64 * sizing.MiB, page, 64*sizing.MiB + 1216 + (256+4+1)*592},
		{64 * sizing.MiB, 16 * page, 64*sizing.MiB + 1216 + (16+1)*592},
		{sizing.MaxBytes, page, sizing.MaxBytes},
	} {
		t.Run(fmt.Sprintf("%d in pages of %d", c.volume, c.pageSize), func(t *testing.T) {
			if got := sizing.Cost(c.volume, c.pageSize); got != c.want {
				t.Errorf("got %d, want %d", int64(got), int64(c.want))
			}
		})
	}
}

package kernels

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

func TestParse(t *testing.T) {
	const kernel = "\x1b[2JSeaBIOS\r\n{not ours}\r\n[    0.1] {\"Kernel\":{\"Release\":\"6.1.0-56-cloud-amd64\"}}\r\n"
	for name, c := range map[string]struct{ console, want string }{
		"all of it":  {kernel + "{\"Done\":true}\r\n", ""},
		"it gave up": {kernel + "{\"Error\":\"mount tmpfs: no such device\"}\r\n", "the guest gave up: mount tmpfs: no such device"},
		"a kernel that crashed": {
			kernel + "Kernel panic - not syncing\r\n",
			"the guest ended before it was done; its last lines:\n\x1b[2JSeaBIOS\n{not ours}\nKernel panic - not syncing",
		},
		"nothing": {"", "the guest ended before it was done; its last lines:\n"},
	} {
		var lines []report.Line
		results, err := parse(strings.NewReader(c.console), func(l report.Line) { lines = append(lines, l) })
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if c.console == "" {
			continue
		}
		if len(lines) != 1 || results.kernel.Release != "6.1.0-56-cloud-amd64" {
			t.Errorf("%s: got %d lines and %+v", name, len(lines), results.kernel)
		}
	}
}

func TestResults_KeepEachLine(t *testing.T) {
	var got results
	for _, l := range []report.Line{
		{Kernel: &report.Kernel{Release: "6.1"}},
		{Cost: &report.Cost{Kernel: 1}},
		{Fit: &report.Fit{Files: 2}},
		{Fill: &report.Fill{Used: 3}},
		{Restart: &report.Restart{Runs: []report.Run{{Files: 4}}}},
		{Stall: &report.Stall{Files: 5}},
		{Cost: &report.Cost{Kernel: 6}},
	} {
		got.add(l)
	}
	want := results{
		kernel: report.Kernel{Release: "6.1"}, costs: []report.Cost{{Kernel: 1}, {Kernel: 6}}, fits: []report.Fit{{Files: 2}},
		fills: []report.Fill{{Used: 3}}, restarts: []report.Restart{{Runs: []report.Run{{Files: 4}}}}, stalls: []report.Stall{{Files: 5}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(results{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

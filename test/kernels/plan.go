package kernels

import (
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

const mib = int64(sizing.MiB)

// The files of the incident, by which whole volumes are measured: sessions of gorilla/sessions.
const (
	sessionSize   = 1500
	sessionName   = 60
	shortName     = 10
	sessionVolume = 256 * mib
	// reserve is the default of memory.reserve: what a limit leaves to the process.
	reserve = 32 * mib
)

// nameLengths are those on both sides of each step that a kernel was seen to have.
var nameLengths = []int{31, 32, 39, 40, 47, 48, 60, 71, 72, 79, 80, 103, 104, 111, 112, 167, 168, 175, 176, 231, 232, 239, 240, 255}

// newPlan returns what a guest measures. The coarser its kernel counts, the more files it takes:
// factor is 1 from Linux 5.18 on.
func newPlan(factor int) report.Plan {
	return report.Plan{
		Costs:    costCases(factor),
		Fits:     fitCases(),
		Fills:    fillCases(),
		Restarts: restartCases(),
		Stalls: []report.StallCase{{
			Volume: 128 * mib, High: 48 * mib, Limit: 512 * mib, Seconds: 5,
			Files: report.Files{Count: 1 << 20, Size: sessionSize, NameLength: sessionName},
		}},
	}
}

func costCases(factor int) []report.CostCase {
	var cases []report.CostCase
	add := func(count int, size int64, nameLength int) {
		cases = append(cases, report.CostCase{Files: report.Files{Count: count, Size: size, NameLength: nameLength}})
	}
	for _, length := range nameLengths {
		add(2500*factor, 1, length)
	}
	for _, c := range []struct {
		count int
		size  int64
	}{
		{2500 * factor, 0},
		{2500 * factor, 1},
		{2500 * factor, sessionSize},
		{2500 * factor, 4096},
		{2500 * factor, 5000},
		{1000, 100_000},
		{400, 262_144},
		{400, 300_000},
		{6, 17_000_000},
	} {
		add(c.count, c.size, shortName)
		add(c.count, c.size, sessionName)
	}
	return cases
}

func fitCases() []report.FitCase {
	cases := []report.FitCase{{Volume: 100_001}}
	for _, size := range []int64{1, sessionSize, 5000} {
		cases = append(cases, report.FitCase{
			Volume: int64(sizing.DefaultShm), Empty: 100, Files: report.Files{Count: 1 << 20, Size: size, NameLength: shortName},
		})
	}
	return cases
}

func fillCases() []report.FillCase {
	files := report.Files{Count: 1 << 20, Size: sessionSize, NameLength: sessionName}
	return []report.FillCase{
		{Volume: sessionVolume, Limit: 300 * mib, Group: true, Files: files},
		{Volume: sessionVolume, Limit: enoughLimit(), Group: true, Files: files},
	}
}

// restartCases returns the naive repair's loop: containers that may use less than their volume costs.
func restartCases() []report.RestartCase {
	c := report.RestartCase{
		Volume: sessionVolume, Limit: 48 * mib, Containers: 3,
		Files: report.Files{Count: 1 << 20, Size: sessionSize, NameLength: sessionName},
	}
	withPod := c
	withPod.PodLimit = c.Limit
	return []report.RestartCase{withPod, c}
}

// enoughLimit returns the memory limit that shmkeeper asks for a container that fills the volume
// with sessions.
func enoughLimit() int64 {
	return int64(sizing.Bytes(memoryCost(sessionVolume)).RoundUp(sizing.MiB)) + reserve
}

// memoryCost returns the engine's memory cost of a volume of sessions.
func memoryCost(volume int64) int64 {
	return int64(sessions(sessionSize, sessionName).MemoryCostOf(sizing.Bytes(volume)))
}

// sessions returns what the engine knows of files of a size and with names of a length.
func sessions(size int64, nameLength int) sizing.Size {
	return sizing.Files{
		CreatedPerMinute: 1, FileSize: sizing.Bytes(size), NameLength: int64(nameLength), OverflowProbability: 1e-6,
	}.Size(sizing.Bounds{Min: sizing.MiB, Max: sizing.GiB})
}

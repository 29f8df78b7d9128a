package kernels

import (
	"fmt"
	"syscall"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// checkFit returns what is wrong with what a volume held; empty if nothing is.
func checkFit(f report.Fit) string {
	const page = 4096
	switch {
	case f.Capacity != (f.Case.Volume+page-1)/page*page:
		return fmt.Sprintf("a volume of %d bytes has a capacity of %d: expected whole pages, rounded up", f.Case.Volume, f.Capacity)
	case f.Case.Files.Count == 0:
		return ""
	case f.Errno != int(syscall.ENOSPC):
		return fmt.Sprintf("%+v: filling it ended with %v, expected ENOSPC", f.Case, syscall.Errno(f.Errno))
	case f.Empty != f.Case.Empty:
		return fmt.Sprintf("%+v: %d empty files could be created in the full volume, expected %d", f.Case, f.Empty, f.Case.Empty)
	}
	return ""
}

// checkFill returns what is wrong with the end of a container that filled its volume; empty if
// nothing is. With the limit that shmkeeper asks for it sees that the volume is full; with less than
// the volume costs it is killed before, and all of it.
func checkFill(f report.Fill) string {
	limit := fmt.Sprintf("a volume of %d MiB and a limit of %d MiB", f.Case.Volume/mib, f.Case.Limit/mib)
	if f.Case.Limit >= enoughLimit() {
		if f.Killed || f.Errno != int(syscall.ENOSPC) || f.Used != f.Case.Volume {
			return fmt.Sprintf("%s: killed %t, %v, with %d MiB in it: expected it full and ENOSPC",
				limit, f.Killed, syscall.Errno(f.Errno), f.Used/mib)
		}
		return ""
	}
	if !f.Killed || f.Used >= f.Case.Volume {
		return fmt.Sprintf("%s: killed %t with %d MiB in it: expected it killed before the volume is full", limit, f.Killed, f.Used/mib)
	}
	if f.Case.Group && !f.OtherKilled {
		return limit + ": the container's other process lives: expected that memory.oom.group has all of them killed"
	}
	return ""
}

// checkRestarts returns what is wrong with containers that filled one volume one after the other;
// empty if nothing is. The volume outlives them. If the Pod's limit is used up, no container after
// the first gets to write; without one, each adds to what the Pod has of the node's memory.
func checkRestarts(r report.Restart) string {
	first := r.Runs[0]
	for i, run := range r.Runs {
		switch {
		case !run.Killed:
			return fmt.Sprintf("%+v: container %d was not killed but ended with %v after %d files",
				r.Case, i+1, syscall.Errno(run.Errno), run.Files)
		case i == 0:
		case r.Case.PodLimit > 0 && (run.Pod > r.Case.PodLimit || run.Files > first.Files/10):
			return fmt.Sprintf("%+v: container %d wrote %d files, the first %d: expected that it is killed at once",
				r.Case, i+1, run.Files, first.Files)
		case r.Case.PodLimit == 0 && run.Pod < r.Runs[i-1].Pod+r.Case.Limit/2:
			return fmt.Sprintf("%+v: after container %d the Pod has %d MiB, after the one before %d: expected that each adds as much",
				r.Case, i+1, run.Pod/mib, r.Runs[i-1].Pod/mib)
		}
	}
	return ""
}

// checkStall returns what is wrong with a writer above memory.high; empty if nothing is. It is
// neither killed nor does a write fail, but it hardly gets on.
func checkStall(s report.Stall) string {
	switch {
	case s.Ended:
		return fmt.Sprintf("%+v: the writer has ended: expected it stalled", s.Case)
	case s.Throttled == 0:
		return fmt.Sprintf("%+v: no charge above memory.high was counted", s.Case)
	case s.After*2 > s.Before:
		return fmt.Sprintf("%+v: %.0f files a second above memory.high and %.0f below: expected fewer than half", s.Case, s.After, s.Before)
	}
	return ""
}

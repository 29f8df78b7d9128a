package kernels

import (
	"fmt"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/test/kernels/report"
)

// How far the model may be above what a kernel charges.
const (
	mostKernel = 1.25 // for the kernel memory of one file
	mostAll    = 1.07 // for pages and kernel memory
	// mostLong is for the kernel memory of a file with a name of 232 to 239: Linux 5.10 to 6.12 keep it in 256 B, and
	// 6.16 and later in 512 B, which the model has.
	mostLong = 1.38
	// mostSlack is how much of what is measured the slack may be for it to be judged.
	mostSlack = 0.1
)

// comparison represents a figure of the model and the same as measured.
type comparison struct {
	what                       string
	predicted, measured, slack float64 // slack is how far measured can be off
	unit                       string
	// most is the largest ratio of predicted to measured that is accepted; 0: any, also below 1.
	most float64
}

func (c comparison) ratio() float64 { return c.predicted / c.measured }

// String returns a line of the report.
func (c comparison) String() string {
	text := fmt.Sprintf("%s: predicted %.1f %s measured %.1f %s ratio %.3f", c.what, c.predicted, c.unit, c.measured, c.unit, c.ratio())
	if c.most == 0 {
		text += fmt.Sprintf(", give or take %.1f, not judged", c.slack)
	}
	return text
}

// failure says what is wrong; empty if nothing is.
func (c comparison) failure() string {
	switch {
	case c.most == 0:
		return ""
	case c.predicted < c.measured-c.slack:
		return fmt.Sprintf("%s, give or take %.1f: the model is below what the kernel charges: raise it in policy/sizing", c, c.slack)
	case c.predicted > c.most*(c.measured+c.slack):
		return fmt.Sprintf("%s, give or take %.1f: the model is more than %.0f %% above what the kernel charges: lower it in policy/sizing",
			c, c.slack, (c.most-1)*100)
	}
	return ""
}

// compareCost compares what files cost. A policy cannot say that files are empty, so what the model
// has for these is that of files of one byte, and is not judged.
func compareCost(c report.Cost) []comparison {
	model := sessions(max(c.Files.Size, 1), c.Files.NameLength)
	what := fmt.Sprintf("files of %d B with names of %d", c.Files.Size, c.Files.NameLength)
	count := float64(c.Files.Count)
	kernel := comparison{
		what: what + ", kernel memory of one", unit: "B", most: mostKernel,
		predicted: float64(model.KernelBytesPerFile), measured: float64(c.Kernel) / count, slack: float64(c.Slack) / count,
	}
	all := comparison{
		what: what + ", all memory of one", unit: "B", most: mostAll,
		predicted: float64(model.BytesPerFile) + kernel.predicted, measured: float64(c.Pages)/count + kernel.measured, slack: kernel.slack,
	}
	if 232 <= c.Files.NameLength && c.Files.NameLength < 240 {
		kernel.most = mostLong
	}
	if kernel.slack > mostSlack*kernel.measured {
		kernel.most = 0 // a kernel that counts coarsely
	}
	switch {
	case c.Files.Size == 0:
		kernel.most = 0
		return []comparison{kernel}
	case c.Files.Size == 1 && c.Files.NameLength != shortName && c.Files.NameLength != sessionName:
		// One of those that tell the steps of names.
		return []comparison{kernel}
	}
	return []comparison{kernel, all}
}

// compareSlabs compares what docs/explanation/sizing.md has users read from /proc/slabinfo, for
// sizing.kernelBytesPerFile, with what a file costs that has a short name and no label.
func compareSlabs(k report.Kernel, c report.Cost) comparison {
	const owner = 8 // bytes beside each object, which name its cgroup
	return comparison{
		what: "the objects of a file in /proc/slabinfo", unit: "B", most: 1.01,
		predicted: float64(k.Objects["shmem_inode_cache"] + k.Objects["dentry"] + 2*owner),
		measured:  float64(c.Kernel) / float64(c.Files.Count), slack: float64(c.Slack) / float64(c.Files.Count),
	}
}

// compareFit compares how many files fit in a volume.
func compareFit(f report.Fit) comparison {
	return comparison{
		what: fmt.Sprintf("a volume of %d MiB, how many files of %d B fit", f.Case.Volume/mib, f.Case.Files.Size), unit: "files", most: 1,
		predicted: float64(sessions(f.Case.Files.Size, f.Case.Files.NameLength).CapacityOf(sizing.Bytes(f.Case.Volume))),
		measured:  float64(f.Files),
	}
}

// compareFill compares what a full volume costs the container that has filled it.
func compareFill(f report.Fill) comparison {
	return comparison{
		what: fmt.Sprintf("a volume of %d MiB full of files of %d B, all memory", f.Case.Volume/mib, f.Case.Files.Size),
		unit: "MiB", most: mostAll,
		predicted: inMiB(memoryCost(f.Case.Volume)), measured: inMiB(f.Pages + f.Kernel), slack: inMiB(f.Slack),
	}
}

func inMiB(bytes int64) float64 { return float64(bytes) / float64(mib) }

package kernels

import (
	"fmt"
	"strings"

	"github.com/shmkeeper/shmkeeper/test/kernels/report"
	"github.com/shmkeeper/shmkeeper/test/section"
)

// measured represents a guest that has run.
type measured struct {
	kernel
	selinux bool
	results
}

// cost returns the kernel memory and all memory of one file, in bytes.
func (m measured) cost(size int64, nameLength int) (kernel, all float64) {
	for _, c := range m.costs {
		if c.Files.Size == size && c.Files.NameLength == nameLength {
			n := float64(c.Files.Count)
			return float64(c.Kernel) / n, float64(c.Kernel+c.Pages) / n
		}
	}
	return 0, 0
}

// fill returns the measurement of a volume that was filled, or of one that was not.
func (m measured) fill(full bool) report.Fill {
	for _, f := range m.fills {
		if f.Killed != full {
			return f
		}
	}
	return report.Fill{}
}

// table returns the results in Markdown, one row for each guest.
func table(guests []measured) string {
	short, long := sessions(sessionSize, shortName), sessions(sessionSize, sessionName)
	var b strings.Builder
	fmt.Fprintf(&b, "| kernel | Debian suite | SELinux | name of %d | name of %d | model / measured | with pages "+
		"| %d MiB full | killed at 300Mi |\n", shortName, sessionName, sessionVolume/mib)
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, m := range guests {
		labels := "no"
		if m.selinux {
			labels = "yes"
		}
		kernelShort, _ := m.cost(sessionSize, shortName)
		kernel, all := m.cost(sessionSize, sessionName)
		full, killed := m.fill(true), m.fill(false)
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f B | %.0f B | %.2f | %.3f | %.1f MiB | with %.0f MiB in it |\n",
			m.release, m.suite, labels, kernelShort, kernel, float64(long.KernelBytesPerFile)/kernel,
			float64(long.BytesPerFile+long.KernelBytesPerFile)/all, inMiB(full.Pages+full.Kernel), inMiB(killed.Used))
	}
	fmt.Fprintf(&b, "| the model | | | %d B | %d B | | | %.1f MiB | |\n",
		int64(short.KernelBytesPerFile), int64(long.KernelBytesPerFile), inMiB(memoryCost(sessionVolume)))
	return b.String()
}

// docs is where the table stands in docs/explanation/sizing.md.
var docs = section.Section{Begin: "<!-- kernels: make test-kernels UPDATE=1 -->\n", End: "<!-- end of kernels -->\n"}

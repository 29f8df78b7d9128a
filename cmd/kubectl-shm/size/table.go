package size

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// writeTable explains a result so that a reader can follow it by hand.
func (c computed) writeTable(w io.Writer) {
	if c.Name != "" {
		fmt.Fprintf(w, "policy %s: ", c.Name)
	}
	fmt.Fprintln(w, c.Summary())
	section(w, "RESULT", c.answer())
	section(w, "HOW IT IS COMPUTED", c.terms())
	section(w, "WHEN IT FILLS", c.fillTimes())
	title := "WHAT A SHORTER RETENTION WOULD SAVE"
	if !c.Bounded {
		title = "IF OLD FILES WERE DELETED"
	}
	section(w, title, c.savings())
	for i, f := range c.findings {
		if i == 0 {
			fmt.Fprintln(w, "\nFINDINGS")
		}
		fmt.Fprintf(w, "  %s: %s\n", f.Reason, f.Detail)
	}
}

// row represents a line of a section: a name, an amount and its unit, and how it is computed.
type row struct{ name, amount, unit, how string }

// answer returns what to write into a manifest.
func (c computed) answer() []row {
	limit := row{"sizeLimit", c.Limit.Quantity().String(), "", "of a Memory emptyDir mounted at " + c.Spec.MountPath}
	if c.Spec.Memory.Handling == v1alpha1.MemoryIgnore {
		return []row{limit, {"memory", wholeMiB(c.MemoryCost), "", "of the container's limit are used when the volume is full; the policy leaves the limit as it is"}}
	}
	request := "on top of what the process needs: what is in use on average"
	if !c.Bounded {
		request = "on top of what the process needs: in the end the volume is full"
	}
	return []row{
		limit,
		{"memory limit", "+" + wholeMiB(c.MemoryCost), "", "on top of what the process needs: what the volume costs when it is full"},
		{"memory request", "+" + wholeMiB(c.AverageUse), "", request},
	}
}

// terms returns the terms of the computation, in its order.
func (c computed) terms() []row {
	rows := c.requiredTerms()
	headroom := c.Headroom()
	padded := c.Required.Percent(100 + headroom)
	if c.Bounded {
		rows = append(rows, sized("with headroom", padded, fmt.Sprintf("required size + %d%%", headroom)))
	}
	rows = append(rows, sized("size limit", c.Limit, c.rounding(padded)))
	if c.BytesPerFile > 0 {
		rows = append(rows,
			row{"files that fit", human.Count(c.CapacityFiles), "files", fmt.Sprintf("%s / %s B, rounded down", c.Limit.String(), human.Count(int64(c.BytesPerFile)))},
			row{"kernel memory a file", human.Count(int64(c.KernelBytesPerFile)), "B", c.kernelTerms(c.KernelBytesPerFile)},
			sized("kernel memory", c.KernelMemory, fmt.Sprintf("%s files x %s B", human.Count(c.CapacityFiles), human.Count(int64(c.KernelBytesPerFile)))))
	} else {
		rows = append(rows, sized("kernel memory", c.KernelMemory, "of one file that fills the volume: "+c.kernelTerms(c.KernelMemory)))
	}
	rows = append(rows, sized("memory cost", c.MemoryCost, "size limit + kernel memory"), c.averageUse())
	if c.memoryLimit > 0 {
		rows = append(rows, sized("effective size", c.effective, fmt.Sprintf("the kubelet mounts the lesser of the size limit and the memory limit of %s", c.memoryLimit.String())))
	}
	return rows
}

func (c computed) requiredTerms() []row {
	s := c.Spec.Sizing
	switch {
	case c.Formula != "":
		return []row{sized("required size", c.Required, c.Formula)}
	case s.Fixed != nil:
		return append([]row{sized("required size", c.Required, "fixed")}, c.fileTerms(s.Fixed.FileSize)...)
	case s.MemoryPercent != nil:
		return []row{sized("required size", c.Required, fmt.Sprintf("%d%% of the memory limit of %s, in whole MiB", s.MemoryPercent.Percent, c.memoryLimit.String()))}
	case s.Units != nil:
		how := fmt.Sprintf("%d x %s", *s.Units.Count.Literal, s.Units.Each.String())
		if s.Units.Base != nil {
			how = s.Units.Base.String() + " + " + how
		}
		return []row{sized("required size", c.Required, how)}
	default:
		return c.requiredByFiles()
	}
}

// fileTerms returns what a file occupies; nothing if the model names no file size.
func (c computed) fileTerms(fileSize *resource.Quantity) []row {
	if fileSize == nil {
		return nil
	}
	how := fmt.Sprintf("%s B rounded up to whole pages of %s", human.Count(int64(sizing.BytesOf(*fileSize))), c.Spec.Sizing.PageSize.String())
	return []row{{"bytes a file", human.Count(int64(c.BytesPerFile)), "B", how}}
}

// requiredByFiles returns the terms of a files model.
func (c computed) requiredByFiles() []row {
	f := c.Files()
	bytes := c.fileTerms(&f.FileSize)
	if !c.Bounded {
		return append([]row{{"files alive", "more and more", "", "no retention: nothing is ever deleted, so no size is enough"}}, bytes...)
	}
	peak := row{"files at the peak", "too many", "", "more than can be counted"}
	if c.Required != sizing.MaxBytes {
		peak = row{"files at the peak", human.Count(c.PeakFiles), "files", "exceeded with probability " + f.OverflowProbability + " (Poisson)"}
		if *f.Batch > 1 {
			peak.how += fmt.Sprintf(", %s x the quantile for %s batches", human.Count(int64(*f.Batch)), human.Decimal(c.MeanFiles/float64(*f.Batch)))
		}
	}
	required := sized("required size", c.Required, fmt.Sprintf("%s files x %s B", peak.amount, bytes[0].amount))
	if c.Required != sizing.MaxBytes {
		required.how += fmt.Sprintf(" = %s B", human.Count(int64(c.Required)))
	}
	return []row{
		{"files before a sweep", human.Decimal(c.MeanFiles), "files", fmt.Sprintf("%s/min x (%s + %s): on average, just before old ones are deleted", f.CreatedPerMinute, *f.Retention, *f.SweepInterval)},
		peak,
		bytes[0],
		required,
	}
}

// rounding says how the size limit comes from the required size with headroom.
func (c computed) rounding(padded sizing.Bytes) string {
	switch s := c.Spec.Sizing; {
	case !c.Bounded:
		return "the largest that is allowed (max)"
	case c.Limit < padded.RoundUp(sizing.MiB):
		return fmt.Sprintf("cut to the largest that is allowed (max %s)", s.Max.String())
	case c.Limit > padded.RoundUp(sizing.MiB):
		return fmt.Sprintf("raised to the smallest that is given (min %s)", s.Min.String())
	default:
		return fmt.Sprintf("rounded up to whole MiB; allowed are %s to %s", s.Min.String(), s.Max.String())
	}
}

// kernelTerms returns the kernel memory of one file by its parts. The parts are those of smaller
// files: one whose name fits in its directory entry, and one that has a page tree.
func (c computed) kernelTerms(total sizing.Bytes) string {
	bounds := sizing.Bounds{PageSize: sizing.BytesOf(*c.Spec.Sizing.PageSize)}
	if k := c.Spec.Sizing.KernelBytesPerFile; k != nil {
		bounds.KernelBytesPerFile = sizing.Bytes(*k)
	}
	kernel := func(file sizing.Files) sizing.Bytes { return file.Size(bounds).KernelBytesPerFile }
	var length int64
	whose := "a name of unknown length"
	if f := c.Files(); f != nil && f.NameLength != nil {
		length = int64(*f.NameLength)
		whose = fmt.Sprintf("a name of %d B", length)
	}
	entry := kernel(sizing.Files{FileSize: 1, NameLength: 1})
	name := kernel(sizing.Files{FileSize: 1, NameLength: length}).Minus(entry)
	node := kernel(sizing.Files{FileSize: bounds.PageSize + 1, NameLength: 1}).Minus(entry)
	text := fmt.Sprintf("%s B inode, directory entry and SELinux label (the most on Linux 5.10 to 7.3)", human.Count(int64(entry)))
	if bounds.KernelBytesPerFile > 0 {
		text = fmt.Sprintf("%s B inode, directory entry and label, as given", human.Count(int64(entry)))
	}
	if name > 0 {
		text += fmt.Sprintf(" + %d B for %s", name, whose)
	}
	if nodes := int64(total.Minus(entry.Plus(name)) / node); nodes > 0 {
		text += fmt.Sprintf(" + %d B x %s (nodes that find its pages)", node, human.Count(nodes))
	}
	return text
}

func (c computed) averageUse() row {
	how := "the volume is full"
	switch {
	case !c.Bounded:
		how = "in the end as much as the volume holds"
	case c.AverageUse == c.Limit && c.Required > c.Limit:
	case c.Files() != nil:
		f := c.Files()
		how = fmt.Sprintf("%s/min x (%s + half of %s) x (%s + %s B)", f.CreatedPerMinute, *f.Retention, *f.SweepInterval,
			human.Count(int64(c.BytesPerFile)), human.Count(int64(c.KernelBytesPerFile)))
		if c.AverageUse == c.Limit {
			how += ", but no more than the volume"
		}
	default:
		how = fmt.Sprintf("%d%% of the required size, as the policy expects", c.usePercent())
	}
	return sized("in use on average", c.AverageUse, how)
}

// usePercent returns how much of the required size a static model expects to be in use.
func (c computed) usePercent() int32 {
	switch s := c.Spec.Sizing; {
	case s.Fixed != nil:
		return *s.Fixed.ExpectedUsePercent
	case s.MemoryPercent != nil:
		return *s.MemoryPercent.ExpectedUsePercent
	default:
		return *s.Units.ExpectedUsePercent
	}
}

// fillTimes says when the volumes of interest fill; nothing for a model that does not know.
func (c computed) fillTimes() []row {
	if c.Files() == nil {
		return nil
	}
	rows := []row{c.fillTime("the runtime's default", sizing.DefaultShm)}
	if c.effective < c.Limit {
		rows = append(rows, c.fillTime("what the kubelet would mount", c.effective))
	}
	return append(rows, c.fillTime("the computed size", c.Limit))
}

func (c computed) fillTime(name string, volume sizing.Bytes) row {
	when := "never"
	switch {
	case c.fills(volume):
		when = "after " + human.Duration(c.FullAfterOf(volume))
		if c.memoryLimit > 0 && c.memoryLimit < c.MemoryCostOf(volume) {
			when += ", but the container is OOM-killed before"
		}
	case volume < c.Required:
		when = "at peaks, which exceed it more often than with probability " + c.Files().OverflowProbability
	}
	return row{name, volume.String(), "", when}
}

// sized returns a row with an amount of memory.
func sized(name string, b sizing.Bytes, how string) row {
	switch {
	case b == sizing.MaxBytes:
		return row{name, "too much", "", how}
	case b < sizing.MiB:
		return row{name, human.Count(int64(b)), "B", how}
	}
	return row{name, human.MiB(int64(b)), "MiB", how}
}

// section writes a title and rows, in columns.
func section(w io.Writer, title string, rows []row) {
	if len(rows) == 0 {
		return
	}
	var name, amount, unit int
	for _, r := range rows {
		name = max(name, utf8.RuneCountInString(r.name))
		amount = max(amount, utf8.RuneCountInString(r.amount))
		unit = max(unit, utf8.RuneCountInString(r.unit))
	}
	fmt.Fprintln(w, "\n"+title)
	for _, r := range rows {
		line := fmt.Sprintf("  %-*s  %*s", name, r.name, amount, r.amount)
		if unit > 0 {
			line += fmt.Sprintf(" %-*s", unit, r.unit)
		}
		fmt.Fprintln(w, strings.TrimRight(line+"  "+r.how, " "))
	}
}

// wholeMiB returns an amount rounded up, as a quantity in MiB: what a reader adds to a limit.
func wholeMiB(b sizing.Bytes) string {
	return strconv.FormatInt(b.DivUp(sizing.MiB), 10) + "Mi"
}

package admissionpolicy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// figures are those of a policy's sizing in bytes and per cent.
type figures struct {
	least, most, pageSize sizing.Bytes
	headroomPercent       int64
	usePercent            int64 // of what is required, unless ofFiles
	ofFiles               bool
	// fileSize is 0 for one large file, bytesPerFile what one occupies, and kernelBytes the kernel
	// memory of a file of one page.
	fileSize, bytesPerFile, kernelBytesPerFile, kernelBytes sizing.Bytes
}

// figuresOf reads the figures of a policy. s has the policy's model of what files cost.
func figuresOf(spec *v1alpha1.Sizing, s *sizing.Size) figures {
	f := figures{
		least: sizing.BytesOf(*spec.Min), most: sizing.BytesOf(*spec.Max), pageSize: sizing.BytesOf(*spec.PageSize),
		ofFiles: spec.Files != nil, bytesPerFile: s.BytesPerFile, kernelBytesPerFile: s.KernelBytesPerFile,
		kernelBytes: s.MemoryCostOf(1) - 1,
	}
	if spec.HeadroomPercent != nil {
		f.headroomPercent = int64(*spec.HeadroomPercent)
	}
	switch {
	case spec.Files != nil:
		f.fileSize = sizing.BytesOf(spec.Files.FileSize)
	case spec.Fixed != nil:
		f.usePercent = int64(*spec.Fixed.ExpectedUsePercent)
		if spec.Fixed.FileSize != nil {
			f.fileSize = sizing.BytesOf(*spec.Fixed.FileSize)
		}
	case spec.MemoryPercent != nil:
		f.usePercent = int64(*spec.MemoryPercent.ExpectedUsePercent)
	case spec.Units != nil:
		f.usePercent = int64(*spec.Units.ExpectedUsePercent)
	}
	return f
}

// cost returns an expression for the memory cost of a full volume of x bytes, in whole MiB: what
// sizing.Size.MemoryCostOf computes.
func (f *figures) cost() string {
	const x = "x"
	kernel := f.kernelMemoryOfFile(x)
	if f.fileSize > 0 {
		kernel = fmt.Sprintf("(%[1]s < %[2]d ? %[3]s : [%[1]s / %[4]d * %[5]d, %[5]d].max())",
			x, f.fileSize, kernel, f.bytesPerFile, f.kernelBytesPerFile)
	}
	return fmt.Sprintf("(%[1]s <= 0 ? 0 : %[2]s)", x, roundUp(fmt.Sprintf("(%s + %s)", x, kernel)))
}

// smallestPage is the size of the smallest pages that a node has, in bytes.
const smallestPage = 4 << 10

// kernelMemoryOfFile returns an expression for the kernel memory of one file of x bytes. Each level
// of its page tree has a node for each started 64 of the one below, up to a single root.
func (f *figures) kernelMemoryOfFile(x string) string {
	pages := fmt.Sprintf("((%s + %d) / %d)", x, f.pageSize-1, f.pageSize)
	var levels []string // how many pages a slot of each level finds
	for slot := int64(1); slot <= maxQuantity/smallestPage; slot *= int64(sizing.NodeSlots) {
		levels = append(levels, strconv.FormatInt(slot, 10))
	}
	return fmt.Sprintf("(%[1]d + [%[2]s].map(d, %[3]s > d ? (%[3]s + d * %[4]d - 1) / (d * %[4]d) * %[5]d : 0).sum())",
		f.kernelBytes, strings.Join(levels, ", "), pages, sizing.NodeSlots, sizing.KernelBytesPerNode)
}

// setSize adds the size of the volume, its minimum, and how much of one is in use on average.
func (g *generator) setSize() {
	if g.spec.Sizing == nil {
		g.set("limit", "0")
		g.set("minimum", "0")
		g.set("average", "0")
		g.set("unfounded", "false")
		return
	}
	f := &g.figures
	g.set("unfounded", "%s", g.setGiven())
	g.set("asked", "%s in $annotations ? %s : 0", literal(v1alpha1.AnnotationSizeLimit), g.askedSize())
	counts := "$asked > 0"
	if g.spec.Overrides != v1alpha1.OverridesAllowed {
		counts = "$asked >= $givenLimit && $asked >= $givenMinimum"
	}
	g.set("overridden", counts)
	g.set("limit", "$overridden ? $asked : $givenLimit")
	g.set("minimum", "$overridden ? $asked : $givenMinimum")
	average := "$givenAverage"
	if !f.ofFiles {
		average = percent("$asked", f.usePercent)
	}
	g.set("average", "$overridden ? "+average+" : $givenAverage")
}

// oddSize returns a condition: the annotation for a size asks for what no expression works out.
func (g *generator) oddSize() string {
	text := "$annotations[" + literal(v1alpha1.AnnotationSizeLimit) + "]"
	odd := fmt.Sprintf("!%[1]s.matches(%[3]s) || !quantity(%[1]s).isInteger() || "+
		"quantity(%[1]s).asInteger() < 1 || quantity(%[1]s).asInteger() > %[2]d", text, int64(maxQuantity), literal(`^[0-9]{1,15}([KMGT]i|[kMGT])?$`))
	if g.spec.Overrides == v1alpha1.OverridesAllowed {
		odd += fmt.Sprintf(" || %[1]s < %[2]d || %[1]s > %[3]d", roundUp("quantity("+text+").asInteger()"), g.figures.least, g.figures.most)
	}
	return fmt.Sprintf("%s in $annotations && (%s)", literal(v1alpha1.AnnotationSizeLimit), odd)
}

// askedSize returns an expression for the size that the annotation asks for, within the bounds.
func (g *generator) askedSize() string {
	size := roundUp("quantity($annotations[" + literal(v1alpha1.AnnotationSizeLimit) + "]).asInteger()")
	return fmt.Sprintf("[[%s, %d].max(), %d].min()", size, g.figures.least, g.figures.most)
}

// setGiven adds what the model gives without annotations for the size, and returns a condition:
// nothing is known that a size could be computed from.
func (g *generator) setGiven() (unfounded string) {
	f := &g.figures
	if s, ok := g.policy.Size(); ok {
		g.set("givenLimit", "%d", s.Limit)
		g.set("givenMinimum", "%d", s.Minimum)
		g.set("givenAverage", "%d", s.AverageUseOf(sizing.MaxBytes))
		return "false"
	}
	unfounded = "false"
	if g.spec.Sizing.MemoryPercent != nil {
		unfounded = "$base < 0"
		g.setShareOfMemory()
	} else {
		g.setUnits()
	}
	g.set("givenLimit", "[%s, %d].min()", roundUp(fmt.Sprintf("[%s, %d].max()", percent("$required", 100+f.headroomPercent), f.least)), f.most)
	g.set("givenMinimum", "[[$required, %d].max(), %d].min()", f.least, f.most)
	g.set("givenAverage", "%s", percent("$required", f.usePercent))
	return unfounded
}

// setShareOfMemory adds the size that a share of the memory limit requires.
func (g *generator) setShareOfMemory() {
	f := &g.figures
	g.set("written", "$all.map(i, $usable[i] ? $sizes[i] : 0).map(x, %s)", f.cost())
	of := func(kind string) string {
		return fmt.Sprintf("$writers.filter(i, $%[1]s[i] > 0).map(i, [$%[1]s[i] - $written[i], 0].max())", kind)
	}
	g.set("ofLimits", of("limits"))
	g.set("ofRequests", of("requests"))
	g.set("base", "$ofLimits.size() > 0 ? $ofLimits.max() : $ofRequests.size() > 0 ? $ofRequests.max() : -1")
	base := "$base"
	if g.spec.Memory.Handling == v1alpha1.MemoryRaise {
		base = fmt.Sprintf("[$base, %d].max()", g.reserve)
	}
	g.set("required", "$base < 0 ? %d : %s * %d / 100 / %d * %d", f.least, base, g.spec.Sizing.MemoryPercent.Percent, mib, mib)
}

// plainCount matches the counts that an expression reads.
const plainCount = `^[0-9]{1,9}$`

// setUnits adds the size that the units of a Pod require. More of them than an amount can say are
// counted as that many.
func (g *generator) setUnits() {
	u := g.spec.Sizing.Units
	absent := int64(0)
	if u.Count.Annotation != nil {
		absent = 1
	}
	if u.Count.Absent != nil {
		absent = int64(*u.Count.Absent)
	}
	if u.Count.Annotation != nil {
		text := "$annotations[" + literal(*u.Count.Annotation) + "]"
		g.set("count", "%s in $annotations && %s.matches(%s) ? int(%s) : %d", literal(*u.Count.Annotation), text, literal(plainCount), text, absent)
	} else {
		g.set("counted", "%s.map(f, quantity(f).asInteger()).sum()", g.unitFigures())
		g.set("count", "$counted > 0 ? $counted : %d", absent)
	}
	base := sizing.Bytes(0)
	if u.Base != nil {
		base = sizing.BytesOf(*u.Base)
	}
	each := sizing.BytesOf(u.Each)
	g.set("required", "%d + [$count, %d].min() * %d", base, max(1, int64(maxQuantity*2/each)), each)
}

// oddUnits returns a condition: what counts the units says something that no expression reads.
func (g *generator) oddUnits() string {
	count := &g.spec.Sizing.Units.Count
	switch {
	case count.Annotation != nil:
		text := "$annotations[" + literal(*count.Annotation) + "]"
		return fmt.Sprintf("%s in $annotations && %s.matches(%s) && !%s.matches(%s)", literal(*count.Annotation), text, literal(`^[-+]?[0-9]+$`), text, literal(plainCount))
	case count.Resources != nil:
		return g.unitFigures() + ".exists(f, !quantity(f).isInteger() || quantity(f).asInteger() < 0 || quantity(f).asInteger() > 1000000)"
	default:
		return "false"
	}
}

// unitFigures returns an expression for what the writers have of the resources that count units,
// as texts: of their limits, and of the requests without one.
func (g *generator) unitFigures() string {
	pattern := literal(anyGlob(g.spec.Sizing.Units.Count.Resources))
	return "$writers.filter(i, has($containers[i].resources)).map(i, $containers[i].resources).map(r, " +
		fmt.Sprintf("(has(r.limits) ? r.limits.filter(k, k.matches(%[1]s)).map(k, string(r.limits[k])) : []) + "+
			"(has(r.requests) ? r.requests.filter(k, k.matches(%[1]s) && !(has(r.limits) && k in r.limits)).map(k, string(r.requests[k])) : [])).flatten()", pattern)
}

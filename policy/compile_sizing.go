package policy

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// MaxQuantity is the largest amount in bytes that a policy may name, 1Pi.
const MaxQuantity = 1 << 50

// sizing compiles the model and its bounds. withMin says that min is the author's and not a
// default: it is then checked.
func (c *compiler) sizing(at *field.Path, s *v1alpha1.Sizing, withMin bool) *model {
	given := 0
	for _, is := range []bool{s.Files != nil, s.Fixed != nil, s.MemoryPercent != nil, s.Units != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		c.invalid(at, field.OmitValueType{}, "must have exactly one of files, fixed, memoryPercent and units: keep the model that describes the workload")
	}

	out := &model{bounds: c.bounds(at, s, withMin)}
	if s.Files != nil {
		files := c.files(at.Child("files"), s.Files)
		out.files = &files
	}
	if s.Fixed != nil {
		fixed := c.fixed(at.Child("fixed"), s.Fixed, s.Max)
		out.fixed = &fixed
	}
	if s.MemoryPercent != nil {
		child := at.Child("memoryPercent")
		c.within(child.Child("percent"), s.MemoryPercent.Percent, 1, 100)
		out.memoryPercent = &memoryPercent{
			percent:    int64(s.MemoryPercent.Percent),
			usePercent: c.usePercent(child, s.MemoryPercent.ExpectedUsePercent),
		}
	}
	if s.Units != nil {
		units := c.units(at.Child("units"), s.Units)
		out.units = &units
	}
	if len(c.errs) == 0 {
		out.precompute()
	}
	return out
}

func (c *compiler) bounds(at *field.Path, s *v1alpha1.Sizing, withMin bool) sizing.Bounds {
	const wholeMiB = "must be a whole number of MiB from 1Mi to 1Pi, such as 64Mi"
	mib := func(name string, q resource.Quantity) sizing.Bytes {
		if q.Sign() > 0 && q.Cmp(*resource.NewQuantity(MaxQuantity, resource.BinarySI)) <= 0 && sizing.BytesOf(q)%sizing.MiB == 0 && q.Cmp(*sizing.BytesOf(q).Quantity()) == 0 {
			return sizing.BytesOf(q)
		}
		c.invalid(at.Child(name), q.String(), wholeMiB)
		return sizing.MiB
	}
	b := sizing.Bounds{Min: sizing.BytesOf(*s.Min), Max: mib("max", *s.Max)}
	if withMin {
		b.Min = mib("min", *s.Min)
		if s.Min.Cmp(*s.Max) > 0 {
			c.invalid(at, field.OmitValueType{}, "min must not be greater than max: lower min or raise max")
		}
	}
	switch {
	case s.HeadroomPercent != nil:
		c.within(at.Child("headroomPercent"), *s.HeadroomPercent, 0, 1000)
		b.HeadroomPercent = int64(*s.HeadroomPercent)
	case s.Files != nil:
		b.HeadroomPercent = DefaultFilesHeadroom
	}
	if s.KernelBytesPerFile != nil {
		c.within(at.Child("kernelBytesPerFile"), *s.KernelBytesPerFile, 256, 65536)
		b.KernelBytesPerFile = sizing.Bytes(*s.KernelBytesPerFile)
	}
	for _, b.PageSize = range [...]sizing.Bytes{64 * sizing.KiB, 16 * sizing.KiB, 4 * sizing.KiB} {
		if s.PageSize.Cmp(*b.PageSize.Quantity()) == 0 {
			return b
		}
	}
	c.invalid(at.Child("pageSize"), s.PageSize.String(), "must be 4Ki, 16Ki or 64Ki")
	return b
}

// DefaultFilesHeadroom is sizing.headroomPercent of a files model that names none.
const DefaultFilesHeadroom = 25

func (c *compiler) quantity(at *field.Path, q *resource.Quantity, least int64, message string) sizing.Bytes {
	if q == nil {
		return 0
	}
	if q.Sign() < 0 || q.Cmp(*resource.NewQuantity(MaxQuantity, resource.BinarySI)) > 0 || least > 0 && q.Sign() == 0 {
		c.invalid(at, q.String(), message)
		return sizing.Bytes(least)
	}
	return sizing.BytesOf(*q)
}

func (c *compiler) within(at *field.Path, n, least, most int32) {
	if n < least || n > most {
		c.invalid(at, n, fmt.Sprintf("must be from %d to %d", least, most))
	}
}

func (c *compiler) usePercent(at *field.Path, percent *int32) int64 {
	c.within(at.Child("expectedUsePercent"), *percent, 0, 100)
	return int64(*percent)
}

const (
	sizeMessage     = "must be greater than 0 and at most 1Pi, such as 1Gi"
	fileSizeMessage = "must be greater than 0 and at most 1Pi, such as 1500 or 16Ki"
)

func (c *compiler) fixed(at *field.Path, f *v1alpha1.Fixed, largest *resource.Quantity) sizing.Requirement {
	out := sizing.Requirement{
		Required:   c.quantity(at.Child("size"), &f.Size, 1, sizeMessage),
		FileSize:   c.quantity(at.Child("fileSize"), f.FileSize, 1, fileSizeMessage),
		UsePercent: c.usePercent(at, f.ExpectedUsePercent),
	}
	if f.Size.Cmp(*largest) > 0 {
		c.invalid(at.Child("size"), f.Size.String(), "must not be greater than max, which is 4Gi if it is absent: raise max or lower the size")
	}
	return out
}

func (c *compiler) files(at *field.Path, f *v1alpha1.Files) sizing.Files {
	var out sizing.Files
	var err error
	rate := at.Child("createdPerMinute")
	if !c.tooLong(rate, f.CreatedPerMinute, 32) {
		if out.CreatedPerMinute, err = parseRate(f.CreatedPerMinute); err != nil {
			c.invalid(rate, f.CreatedPerMinute, err.Error())
		}
	}
	c.within(at.Child("batch"), *f.Batch, 1, 1_000_000)
	out.Batch = int64(*f.Batch)
	if f.Retention != nil {
		out.Retention = c.duration(at.Child("retention"), *f.Retention, parseRetention)
	}
	out.SweepInterval = c.duration(at.Child("sweepInterval"), *f.SweepInterval, parseInterval)
	if out.FileSize, err = fileSizeWithin(f.FileSize); err != nil {
		c.invalid(at.Child("fileSize"), f.FileSize.String(), err.Error())
	}
	if f.NameLength != nil {
		c.within(at.Child("nameLength"), *f.NameLength, 1, 255)
		out.NameLength = int64(*f.NameLength)
	}
	probability := at.Child("overflowProbability")
	if !c.tooLong(probability, f.OverflowProbability, 24) {
		if out.OverflowProbability, err = parseProbability(f.OverflowProbability); err != nil {
			c.invalid(probability, f.OverflowProbability, err.Error())
		}
	}
	oneOf(c, at.Child("source"), f.Source, v1alpha1.FilesDeclared, v1alpha1.FilesObserved)
	if floor := at.Child("observedFloor"); f.ObservedFloor != "" {
		oneOf(c, floor, f.ObservedFloor, v1alpha1.ObservedFloorDeclared, v1alpha1.ObservedFloorMin)
		if f.Source != v1alpha1.FilesObserved {
			c.invalid(floor, f.ObservedFloor, "has no effect without source: Observed: add that, or remove it")
		}
	}
	return out
}

func (c *compiler) duration(at *field.Path, d v1alpha1.Duration, parse func(string) (time.Duration, error)) time.Duration {
	if c.tooLong(at, string(d), 20) {
		return 0
	}
	parsed, err := parse(string(d))
	if err != nil {
		c.invalid(at, string(d), err.Error())
	}
	return parsed
}

func (c *compiler) units(at *field.Path, u *v1alpha1.Units) units {
	out := units{
		base:       c.quantity(at.Child("base"), u.Base, 0, "must be from 0 to 1Pi, such as 40Mi"),
		each:       c.quantity(at.Child("each"), &u.Each, 1, "must be greater than 0 and at most 1Pi, such as 64Mi"),
		usePercent: c.usePercent(at, u.ExpectedUsePercent),
	}
	from, path := &u.Count, at.Child("count")
	given := 0
	if from.Annotation != nil {
		given++
		out.annotation = c.key(path.Child("annotation"), *from.Annotation, "must be the name of an annotation, such as frigate/cameras")
		out.absent = 1
	}
	if from.Resources != nil {
		given++
		out.resources = c.resources(path.Child("resources"), from.Resources)
	}
	if from.Literal != nil {
		given++
		c.within(path.Child("literal"), *from.Literal, 1, 1_000_000)
		out.literal = int64(*from.Literal)
	}
	if given != 1 {
		c.invalid(path, field.OmitValueType{}, "must have exactly one of annotation, resources and literal: keep the one that holds the count")
	}
	if from.Absent != nil {
		c.within(path.Child("absent"), *from.Absent, 0, 1_000_000)
		out.absent = int64(*from.Absent)
		if from.Literal != nil {
			c.invalid(path.Child("absent"), *from.Absent, "has no effect beside literal: remove one of the two")
		}
	}
	return out
}

func (c *compiler) resources(at *field.Path, patterns []string) []glob {
	return c.globs(at, patterns, 16, newGlob, func(at *field.Path, pattern string) bool {
		return c.key(at, pattern, "must be the name of a resource, such as nvidia.com/gpu") != ""
	})
}

func (c *compiler) key(at *field.Path, name, message string) string {
	if name == "" {
		c.invalid(at, name, message)
	}
	c.tooLong(at, name, 317)
	return name
}

// Package simulate plays out how a tmpfs fills under a files model, event by event: files arrive, expire and are swept, and a file
// that does not fit is refused. It draws no formula: a size that was computed elsewhere can be held against it.
//
// One run is one possible history. The seed alone decides which: equal input gives equal curves, and equal curves give equal bytes
// in every rendering.
package simulate

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Never is the FirstENOSPC of a curve whose volume refused nothing.
const Never time.Duration = -1

// Workload says how files come and go.
type Workload struct {
	// CreatedPerMinute is the average number of files that programs try to create in a minute. More than 0.
	CreatedPerMinute float64
	// Batch is the number of files of one arrival. Arrivals are a Poisson process of CreatedPerMinute / Batch a minute. At least 1.
	Batch int
	// Retention is the age up to which a file is kept. 0: nothing is ever deleted.
	Retention time.Duration
	// SweepInterval is the time from one sweep to the next. A sweep deletes the files older than Retention; sweeps fall on the whole
	// multiples of the interval, counted from the start of the run, so that a seed decides the arrivals and nothing else.
	// 0: each file is deleted on its own at the age of Retention.
	SweepInterval time.Duration
	// BytesPerFile is what a file costs on tmpfs, in bytes, already rounded up to whole pages. At least 1.
	BytesPerFile int64
}

// Volume represents a tmpfs to fill. Several volumes see the same arrivals, and each refuses what does not fit into it.
type Volume struct {
	// Name distinguishes the volume from the others, in words.
	Name string
	// Bytes is the size of the volume. At least 1.
	Bytes int64
}

// Options say how long to run and how often to look.
type Options struct {
	// Span is the length of the run.
	Span time.Duration
	// Step is the time from one sample to the next.
	Step time.Duration
	// Seed picks the history. Every value is as good as any other.
	Seed uint64
}

// Sample represents the state of a volume at one moment, just before anything else that happens at that moment: a sample that falls on a
// sweep shows what the sweep is about to find, which is the fullest that the volume gets between two sweeps.
type Sample struct {
	// Time since the start of the run.
	Time time.Duration
	// Files alive, and the Bytes that they cost.
	Files, Bytes int64
	// Refused is the number of files refused so far.
	Refused int64
}

// Curve represents what happened to one volume. Created = files of the last sample + Deleted + Refused.
type Curve struct {
	// Volume is the volume as it was given.
	Volume Volume
	// Capacity is the number of files that fit.
	Capacity int64
	// Samples are in order of time: one at 0, one at each multiple of Options.Step, and one at Options.Span.
	Samples []Sample
	// FirstENOSPC is the moment at which a file was refused for the first time, or Never.
	FirstENOSPC time.Duration
	// Created counts the files that programs tried to create, Refused those of them that did not fit, and Deleted those that
	// expired or were swept.
	Created, Refused, Deleted int64
	// Peak is the largest number of files alive at any moment, between the samples too, and PeakBytes what they cost.
	Peak, PeakBytes int64
}

// Label returns the volume's name and its size, such as "default 64Mi". A name that ends in the size is not given it twice.
func (v Volume) Label() string {
	size := v.Size()
	if v.Name == size || strings.HasSuffix(v.Name, " "+size) {
		return v.Name
	}
	return strings.TrimSpace(v.Name + " " + size)
}

// Size returns the volume's size as a quantity in the largest binary unit that divides it, such as 897Mi, 2Gi or 100001.
func (v Volume) Size() string { return resource.NewQuantity(v.Bytes, resource.BinarySI).String() }

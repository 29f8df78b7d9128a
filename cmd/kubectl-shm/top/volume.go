package top

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/internal/usage/learn"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// key identifies a volume: two Pods of one name are different.
type key struct{ uid, volume string }

// sample is what was read of a volume at one moment.
type sample struct {
	at     time.Time
	usage  inspect.Usage
	memory *inspect.Memory
}

const (
	// maxSamples bounds the window over which growth is measured: with the default interval that of the
	// last five minutes.
	maxSamples = 30
	// emptiedShare is the part of a volume that is left at most when somebody has emptied it.
	emptiedShare = 0.2
)

// volume is one of a running Pod, with what was read of it of late.
type volume struct {
	namespace, pod, container string
	inspect.Mount
	memoryLimit sizing.Bytes
	samples     []sample
	// series has all that was read since the verb began, for what takes longer to learn than growth.
	series *usage.Series
	// rate is how many bytes a second it grows, if a source says so; nil if the samples do.
	rate *float64
	err  error
	seen int // the scan that saw it last
}

// add adds a sample, and forgets the first one of many.
func (v *volume) add(s sample) {
	v.samples = append(v.samples, s)
	if len(v.samples) > maxSamples {
		v.samples = slices.Delete(v.samples, 0, 1)
	}
	u := s.usage
	if u.Inodes < 0 {
		return // how many files there are is not known, and so nothing is learned
	}
	if v.series == nil {
		v.series = usage.NewSeries(time.Time{}, 0)
	}
	read := usage.Sample{Time: s.at, Used: int64(u.Used), Capacity: int64(u.Size), InodesUsed: u.Inodes + 1, Inodes: u.MaxInodes}
	if read.Validate() == nil {
		v.series.Add(read)
	}
}

func (v *volume) last() sample { return v.samples[len(v.samples)-1] }

// present returns the samples that growth is from: those since the volume was emptied last, if there
// are two. Before that it may have been full.
func (v *volume) present() []sample {
	for i := len(v.samples) - 2; i > 0; i-- {
		if float64(v.samples[i].usage.Used) < emptiedShare*float64(v.samples[i-1].usage.Used) {
			return v.samples[i:]
		}
	}
	return v.samples
}

// window returns the time over which growth is measured; 0 if there is one sample alone.
func (v *volume) window() time.Duration { return v.last().at.Sub(v.present()[0].at) }

// growth returns by how many bytes and files a second the volume grows, NaN for files if that is not
// known; ok is false if nothing is. It is the slope by least squares: what comes and goes in between
// moves it less than it moves the difference of the first sample and the last.
func (v *volume) growth() (bytes, files float64, ok bool) {
	if v.rate != nil {
		return *v.rate, math.NaN(), !math.IsNaN(*v.rate)
	}
	samples := v.present()
	if v.window() <= 0 {
		return 0, 0, false
	}
	first := samples[0]
	seconds, used, inodes := make([]float64, len(samples)), make([]float64, len(samples)), make([]float64, len(samples))
	for i, s := range samples {
		seconds[i], used[i], inodes[i] = s.at.Sub(first.at).Seconds(), float64(s.usage.Used-first.usage.Used), float64(s.usage.Inodes-first.usage.Inodes)
	}
	_, bytes = stat.LinearRegression(seconds, used, nil, false)
	_, files = stat.LinearRegression(seconds, inodes, nil, false)
	return bytes, files, true
}

// created returns how many files a minute are created, and half the interval of confidence at 95 % in
// per cent; ok is false until the readings tell it within a quarter. Files that are deleted count,
// unlike in growth.
func (v *volume) created() (perMinute float64, percent int64, ok bool) {
	if v.series == nil {
		return 0, 0, false
	}
	e := learn.From(v.series, learn.Declared{})
	if !e.Reliable() {
		return 0, 0, false
	}
	return e.CreatedPerMinute, int64(math.Ceil((e.Rate.High - e.Rate.Low) / 2 / e.CreatedPerMinute * 100)), true
}

// page is the smallest there is: less free space than that holds no further file.
const page = 4 * sizing.KiB

// full reports whether nothing more fits.
func (v *volume) full() bool {
	u := v.last().usage
	return u.Size > 0 && u.Size.Minus(u.Used) < page || u.MaxInodes > 0 && u.MaxInodes-u.Inodes <= 1
}

// fullIn returns when the volume is full at the present growth; ok is false if it does not grow or
// nothing is known of its growth.
func (v *volume) fullIn() (d time.Duration, ok bool) {
	if v.full() {
		return 0, true
	}
	bytes, _, known := v.growth()
	if !known || bytes <= 0 {
		return 0, false
	}
	u := v.last().usage
	return after(float64(u.Size.Minus(u.Used)) / bytes), true
}

// longest is the longest time that is worth a forecast from minutes of samples: a year.
const longest = 365 * 24 * time.Hour

func after(seconds float64) time.Duration {
	if seconds >= longest.Seconds() {
		return longest
	}
	return time.Duration(seconds * float64(time.Second))
}

// oom is whether the memory limit ends before the volume is full.
type oom string

const (
	oomFirst   oom = "yes"
	oomNot     oom = "no"
	oomUnknown oom = "unknown"
)

// toFill returns what the cgroup would be charged for filling the rest of the volume with files like
// those that are there.
func (v *volume) toFill() sizing.Bytes {
	u := v.last().usage
	free := u.Size.Minus(u.Used)
	if u.Inodes <= 0 || u.Used < page {
		return sizing.Cost(free, page)
	}
	size := sizing.Requirement{Required: u.Size, FileSize: max(1, u.Used/sizing.Bytes(u.Inodes))}.Size(sizing.Bounds{Max: u.Size, Min: sizing.MiB})
	return size.MemoryCostOf(free)
}

// room returns how much more memory the container can be charged for; ok is false if it has no limit
// or nothing is known of it.
func (v *volume) room() (b sizing.Bytes, ok bool) {
	m := v.last().memory
	switch {
	case m == nil:
		return 0, false
	case m.Limit > 0:
		return m.Limit.Minus(m.Used), true
	case v.memoryLimit > 0:
		return v.memoryLimit.Minus(m.Used), true
	default:
		return 0, false
	}
}

// oomBeforeFull says whether the containers are OOM-killed before the volume is full. Without a
// limit it is the node that runs out.
func (v *volume) oomBeforeFull() oom {
	room, ok := v.room()
	switch {
	case ok && v.toFill() > room:
		return oomFirst
	case ok, v.memoryLimit == 0:
		return oomNot
	default:
		return oomUnknown
	}
}

// endsIn returns when the volume is full or its containers are OOM-killed, whichever is first.
func (v *volume) endsIn() (time.Duration, bool) {
	full, ok := v.fullIn()
	if !ok || full == 0 || v.oomBeforeFull() != oomFirst {
		return full, ok
	}
	room, _ := v.room()
	return time.Duration(float64(full) * float64(room) / float64(v.toFill())), true
}

func (v *volume) percent() float64 {
	u := v.last().usage
	if u.Size <= 0 {
		return 0
	}
	return float64(u.Used) / float64(u.Size)
}

// byUrgency orders volumes by what ends first, then by how full they are, then by name. What could
// not be read is last.
func byUrgency(a, b *volume) int {
	if aRead, bRead := a.err == nil, b.err == nil; aRead != bRead || !aRead {
		if aRead != bRead {
			return boolFirst(aRead)
		}
		return byName(a, b)
	}
	aEnds, aOK := a.endsIn()
	bEnds, bOK := b.endsIn()
	switch {
	case aOK != bOK:
		return boolFirst(aOK)
	case aOK && aEnds != bEnds:
		return cmp.Compare(aEnds, bEnds)
	default:
		return cmp.Or(cmp.Compare(b.percent(), a.percent()), byName(a, b))
	}
}

func boolFirst(isFirst bool) int {
	if isFirst {
		return -1
	}
	return 1
}

func byName(a, b *volume) int {
	return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.pod, b.pod), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Volume, b.Volume))
}

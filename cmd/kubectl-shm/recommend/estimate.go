package recommend

import (
	"cmp"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/inspect"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// observation is what is known of one volume of one Pod.
type observation struct {
	size, used sizing.Bytes
	// perMinute is the rate at which files come; 0 if it is not known, or does not say anything.
	perMinute float64
	// relative is half the width of its interval of confidence at 95 %, relative to it.
	relative float64
	// fileSize is the mean size of a file, so that its pages are those that files occupy.
	fileSize sizing.Bytes
	// retention is how old files get; 0 if none seems to have been deleted.
	retention time.Duration
	// watched is the time that all this is from.
	watched time.Duration
	// peakOver is the time of which used is the peak; 0 if it is what is in use now.
	peakOver time.Duration
}

// withPeak returns the observation with the most that was in use over a time.
func (o observation) withPeak(peak sizing.Bytes, over time.Duration) observation {
	o.used, o.peakOver = max(o.used, peak), over
	return o
}

// observe returns what the files of a volume tell, in a Pod that has run for so long.
func observe(u *inspect.Usage, l *inspect.Listing, running time.Duration) observation {
	known := l.Learn(running)
	o := observation{size: u.Size, used: u.Used, watched: known.Oldest}
	// A few files that are written again and again say nothing of a rate.
	if known.PerMinute > 0 && known.Files >= fewestFiles {
		e := known.Estimate
		o.perMinute, o.relative, o.retention = e.CreatedPerMinute, (e.Rate.High-e.Rate.Low)/2/e.CreatedPerMinute, e.Retention
		o.fileSize = known.FileSize
		if known.PagesEach > o.fileSize.RoundUp(page) {
			o.fileSize = known.PagesEach
		}
	}
	return o
}

const (
	page = 4 * sizing.KiB
	// fewestFiles is how many files make a workload that keeps one for each request or session.
	fewestFiles = 30
	// headroom is what a policy adds if it says nothing else, in per cent.
	headroom = 25
	// sweep is how often files are taken to be deleted: what a policy has by default.
	sweep = 5 * time.Minute
)

// merge returns what two Pods of a workload tell together: a size has to do for either.
func (o observation) merge(p observation) observation {
	busiest := o
	if p.perMinute > o.perMinute {
		busiest = p
	}
	busiest.size = min(cmp.Or(o.size, p.size), cmp.Or(p.size, o.size))
	busiest.used = max(o.used, p.used)
	busiest.fileSize = max(o.fileSize, p.fileSize)
	busiest.watched = max(o.watched, p.watched)
	busiest.retention = max(o.retention, p.retention)
	busiest.peakOver = min(o.peakOver, p.peakOver)
	return busiest
}

// confidence says how much an estimate is worth.
type confidence string

const (
	high   confidence = "high"   // the rate within a tenth, and what is there is deleted in time
	medium confidence = "medium" // the rate within a quarter
	low    confidence = "low"
)

func (o *observation) confidence() confidence {
	switch {
	case o.perMinute == 0 && o.peakOver >= 24*time.Hour:
		return medium
	case o.perMinute == 0:
		return low
	case o.relative <= 0.1 && o.retention > 0 && o.watched >= 24*time.Hour:
		return high
	case o.relative <= 0.25 && o.watched >= time.Hour:
		return medium
	default:
		return low
	}
}

// sizing returns the size that the workload needs. retention is that of its policy, for files that
// nobody has seen deleted; 0 if it says none. ok is false if no size is enough, as nothing is known to
// be deleted.
func (o *observation) sizing(declared time.Duration) (s sizing.Size, ok bool) {
	bounds := sizing.Bounds{HeadroomPercent: headroom, Min: sizing.DefaultShm, Max: maxSize}
	if o.perMinute == 0 {
		return sizing.Requirement{Required: max(o.used, page), UsePercent: 100}.Size(bounds), true
	}
	f := o.files(declared)
	s = f.Size(bounds)
	return s, s.Bounded
}

// maxSize is the most that is recommended.
const maxSize = 1024 * sizing.GiB

// files returns the model of the workload.
func (o *observation) files(declared time.Duration) sizing.Files {
	return sizing.Files{
		CreatedPerMinute: o.perMinute, Batch: 1, Retention: cmp.Or(o.retention, declared), SweepInterval: sweep,
		FileSize: max(1, o.fileSize), OverflowProbability: 1e-6,
	}
}

// verdict compares what a workload has with what it needs.
type verdict string

const (
	tooSmall  verdict = "too small"
	right     verdict = "right"
	wasteful  verdict = "wasteful"
	unbounded verdict = "never enough"
)

// judge returns whether a size is too small, right, or more than twice what is needed.
func judge(has sizing.Bytes, needs sizing.Size, bounded bool) verdict {
	switch {
	case !bounded:
		return unbounded
	case has < needs.Minimum:
		return tooSmall
	case has > needs.Limit.Times(2) && has > sizing.DefaultShm:
		return wasteful
	default:
		return right
	}
}

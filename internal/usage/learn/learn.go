// Package learn estimates a workload's figures from samples of its volume: files a minute, bytes of
// a file, retention. docs/explanation/usage.md explains the estimator.
package learn

import (
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/shmkeeper/shmkeeper/internal/usage"
)

// Declared is what a policy says of the files, for what samples do not show; zero where it says
// nothing.
type Declared struct {
	// PageSize is the node's, in bytes; 0 counts as 4096.
	PageSize int64
	// BytesPerFile is what a file occupies: whole pages.
	BytesPerFile             int64
	Retention, SweepInterval time.Duration
}

// Interval is an interval of confidence at 95 %.
type Interval struct{ Low, High float64 }

// Phase says what the samples show.
type Phase string

// The phases of a volume.
const (
	// TooEarly: there is not enough to learn from.
	TooEarly Phase = "TooEarly"
	// Filling: no file has expired, and the rate is the slope of the level.
	Filling Phase = "Filling"
	// Steady: files expire as others come, and the rate is the level divided by how old files get.
	Steady Phase = "Steady"
)

// Estimate is what was learned. A figure of 0 is not known.
type Estimate struct {
	Phase Phase
	// CreatedPerMinute is the rate in files a minute, in Steady over the busiest stretch that is as
	// long as the retention.
	CreatedPerMinute float64
	Rate             Interval
	// BytesPerFile is what a file occupies on average, in bytes of pages.
	BytesPerFile float64
	// Retention is how old files get before they may be deleted. It is learned when the first have
	// been.
	Retention         time.Duration
	RetentionInterval [2]time.Duration
	// Batch is how many files come at once: 1 if they come independently of each other.
	Batch float64
	// Observed is how long the volume has been watched, and Peak the most bytes in use.
	Observed time.Duration
	Peak     int64
}

// Reliable reports whether the rate is known within a quarter either way.
func (e *Estimate) Reliable() bool {
	return e.CreatedPerMinute > 0 && e.Rate.High-e.Rate.Low <= e.CreatedPerMinute/2
}

const (
	fewestFiles  = 30
	fewestSteps  = 5
	defaultSweep = 5 * time.Minute
	mostBlocks   = 16
	// confidence is that of all intervals.
	confidence = 0.95
	// labelled is how much more inodes than files there may be: statfs counts the labels of
	// SELinux as inodes, one for ten on Linux 6.12.
	labelled = 0.15
	// resolvedShare is how many of the changes may be drops for the samples to show what is
	// written between them.
	resolvedShare = 0.4
	// peakFactor is by how many standard deviations a peak must exceed the mean to be a busy
	// stretch and not chance.
	peakFactor = 4
)

// From estimates from a series.
//
// Before the first expiry all files that came are there, and the rate is what was written divided
// by the time. After it, files live for W = retention + half the sweep interval on average, and the
// rate is the mean level divided by W (Little's law: L = lambda x W; J. D. C. Little, Operations
// Research 9, 1961). W is the time from the first file to the first deletion that is kept up. A
// volume that was not watched from its start has none; W is then the mean level divided by the rate
// that samples between two sweeps show, or what is declared.
func From(s *usage.Series, d Declared) Estimate {
	e := Estimate{Phase: TooEarly}
	points := s.Points()
	if len(points) < 2 {
		return e
	}
	if d.SweepInterval <= 0 {
		d.SweepInterval = defaultSweep
	}
	last := points[len(points)-1]
	e.Observed = last.Time.Sub(points[0].Time)
	e.Peak, _ = s.Peak()
	e.BytesPerFile = bytesPerFile(points, s.Last().Capacity, d)
	if e.BytesPerFile == 0 {
		return e
	}
	e.Batch = max(1, s.Dispersion()/e.BytesPerFile)
	l := learner{s, d, points, &e}
	switch life := l.lifetime(); {
	case len(points) < fewestSteps || last.Written < fewestFiles*e.BytesPerFile:
	case life.mean > 0:
		l.steady(life)
	case last.Drops == 0 || l.fromStart() && l.resolved(points[0]):
		l.filling()
	case d.Retention > 0 && last.Time.Sub(s.Begin()) > d.Retention:
		l.steady(within(d.Retention+d.SweepInterval/2, d.SweepInterval))
		e.Retention, e.RetentionInterval = 0, [2]time.Duration{}
	case l.fromStart():
		l.filling()
	}
	return e
}

type learner struct {
	s      *usage.Series
	d      Declared
	points []usage.Point
	e      *Estimate
}

// fromStart reports whether the volume was watched from when it was empty: there was nothing in the
// first sample, or no more than the rate explains.
func (l *learner) fromStart() bool {
	first := l.points[0]
	if float64(first.Used) < 2*l.e.BytesPerFile || !l.s.Begin().Equal(first.Time) && l.s.Emptied() > 0 {
		return true
	}
	age := first.Time.Sub(l.s.Start)
	if l.s.Start.IsZero() || age < 0 {
		return false
	}
	if age <= 10*time.Minute {
		return true
	}
	return float64(first.Used) >= 0.8*l.rateSince(first)*age.Seconds()
}

// resolved reports whether samples since a point are close enough to show what comes between
// sweeps.
func (l *learner) resolved(since usage.Point) bool {
	last := l.points[len(l.points)-1]
	changes := last.Changes - since.Changes
	return changes >= fewestSteps && float64(last.Drops-since.Drops) <= resolvedShare*float64(changes)
}

// rateSince returns how many bytes a second were written since a point.
func (l *learner) rateSince(p usage.Point) float64 {
	last := l.points[len(l.points)-1]
	seconds := last.Time.Sub(p.Time).Seconds()
	if seconds <= 0 {
		return 0
	}
	return (last.Written - p.Written) / seconds
}

// lifetime is how long files live on average, with its bounds; 0 if no file has expired, or nothing tells.
type lifetime struct{ mean, low, high time.Duration }

// within returns a lifetime that is known within a time.
func within(mean, uncertain time.Duration) lifetime {
	return lifetime{mean, mean - uncertain/2, mean + uncertain/2}
}

// lifetime returns how long files live.
func (l *learner) lifetime() lifetime {
	first, last := l.points[0], l.points[len(l.points)-1]
	expiry := l.s.Expiry()
	if expiry != nil && l.fromStart() {
		return l.lifetimeOf(expiry)
	}
	if last.Drops == 0 || !l.resolved(first) {
		return lifetime{}
	}
	// Files expired before anybody looked: the level has to be in balance.
	written := last.Written - first.Written
	mean, _ := l.s.Level(first.Time)
	if written <= 0 || math.Abs(float64(last.Used-first.Used)) > 0.3*written {
		return lifetime{}
	}
	rate := l.rateSince(first)
	age := time.Duration(mean / rate * float64(time.Second))
	blocks := l.rates(first.Time, last.Time)
	return within(age, time.Duration(float64(age)*blocks.relative()*2))
}

// lifetimeOf returns how long files live that began to expire while the volume was watched. The first one was deleted between two
// samples, by the first sweep that found it old enough: that bounds the retention. Within the bounds it is the one that the level is
// made of. A sweep that deletes fewer files than come is not seen, so the first may have been the one before.
func (l *learner) lifetimeOf(x *usage.Expiry) lifetime {
	begin, sweep := l.firstFile(), l.d.SweepInterval
	least, most := max(0, x.After.Sub(begin)-sweep), x.Before.Sub(begin)
	mean := (least+most)/2 + sweep/2
	filled := x.After
	if last := l.points[len(l.points)-1]; float64(last.Drops-x.Drops) > resolvedShare*float64(last.Changes-x.Changes) {
		// Sweeps are closer together than samples: the first that was seen may not be the first.
		filled = begin.Add(x.After.Sub(begin) / 2)
		least /= 2
	}
	speed := (l.s.WrittenAt(filled) - l.writtenAt(begin)) / max(1, filled.Sub(begin).Seconds())
	if level, _ := l.s.Level(x.Before); speed > 0 {
		mean = time.Duration(min(level/speed, math.MaxInt64/float64(2*time.Second)) * float64(time.Second))
	}
	return lifetime{min(max(mean, least+sweep/2), most+sweep/2), max(0, least-sweep/2), most + sweep/2}
}

// firstFile returns when the first file came: one mean distance after the volume was empty.
func (l *learner) firstFile() time.Time {
	begin := l.s.Begin()
	first := l.points[0]
	if rate := l.s.WrittenAt(first.Time); begin.Before(first.Time) && rate > 0 {
		// Between the start and the first sample: as much before it as its files need.
		expiry := l.s.Expiry()
		speed := (l.s.WrittenAt(expiry.After) - first.Written) / max(1, expiry.After.Sub(first.Time).Seconds())
		if speed > 0 {
			if at := first.Time.Add(-time.Duration(float64(first.Used) / speed * float64(time.Second))); at.After(begin) {
				return at
			}
		}
	}
	return begin
}

// writtenAt returns what was written until a time; nothing before the first sample.
func (l *learner) writtenAt(t time.Time) float64 {
	if t.Before(l.points[0].Time) {
		return 0
	}
	return l.s.WrittenAt(t)
}

// filling estimates the rate before any file is known to have expired: from the slope up to where it ends. Whether it ended, or files came
// more slowly, few samples do not say, so the interval has what the whole says too.
func (l *learner) filling() {
	first, last := l.points[0], l.points[len(l.points)-1]
	begin, before := first.Time, first.Written
	if l.fromStart() {
		begin = l.s.Begin()
		before = l.writtenAt(begin)
	}
	end := l.knee(begin)
	seconds, written := end.Time.Sub(begin).Seconds(), end.Written-before
	if seconds <= 0 || written <= 0 {
		return
	}
	l.e.Phase = Filling
	l.setRate(written/seconds, l.rates(first.Time, end.Time).relative(), written)
	if whole := (last.Written - before) / last.Time.Sub(begin).Seconds() * 60 / l.e.BytesPerFile; end.Time.Before(last.Time) {
		l.e.Rate = Interval{Low: min(l.e.Rate.Low, max(0, whole)), High: max(l.e.Rate.High, whole)}
	}
}

// steady estimates the rate from the level of files that live for a lifetime on average.
func (l *learner) steady(life lifetime) {
	since := l.points[0].Time
	if x := l.s.Expiry(); x != nil && x.Before.After(since) {
		since = x.Before
	}
	mean, most := l.s.Level(since)
	if mean <= 0 || life.mean <= 0 {
		return
	}
	level := mean
	dispersion := max(l.s.Dispersion(), l.e.BytesPerFile)
	if float64(most) > mean+peakFactor*math.Sqrt(mean*dispersion) {
		// The peak is just before a sweep.
		level = float64(most) * life.mean.Seconds() / (life.mean + l.d.SweepInterval/2).Seconds()
	}
	l.e.Phase = Steady
	e := (life.high - life.low).Seconds() / 2 / life.mean.Seconds()
	chance := normal() * math.Sqrt(dispersion/mean)
	l.setRate(level/life.mean.Seconds(), math.Hypot(e, chance), 0)
	half := l.d.SweepInterval / 2
	l.e.Retention = max(0, life.mean-half)
	l.e.RetentionInterval = [2]time.Duration{max(0, life.low-half), max(0, life.high-half)}
}

// setRate sets the rate of bytes a second, known within a relative half width. Of so many bytes
// written no better than chance allows; 0 does not say.
func (l *learner) setRate(bytesPerSecond, relative, written float64) {
	if written > 0 {
		relative = max(relative, normal()*math.Sqrt(max(l.s.Dispersion(), l.e.BytesPerFile)/written))
	}
	rate := bytesPerSecond * 60 / l.e.BytesPerFile
	l.e.CreatedPerMinute = rate
	l.e.Rate = Interval{Low: max(0, rate*(1-relative)), High: rate * (1 + relative)}
}

// normal returns how many standard deviations the interval of confidence is wide on either side.
func normal() float64 { return distuv.UnitNormal.Quantile((1 + confidence) / 2) }

// blocks are mean rates of stretches of equal length.
type blocks []float64

// rates cuts a time into at most 16 blocks and returns the mean rate of each.
func (l *learner) rates(from, to time.Time) blocks {
	n := min(mostBlocks, len(l.points)/3)
	if n < 2 {
		return nil
	}
	length := to.Sub(from) / time.Duration(n)
	out := make(blocks, n)
	for i := range out {
		a, b := from.Add(time.Duration(i)*length), from.Add(time.Duration(i+1)*length)
		out[i] = (l.s.WrittenAt(b) - l.s.WrittenAt(a)) / length.Seconds()
	}
	return out
}

// relative returns the half width of the interval of confidence of the mean, relative to it, by the
// method of batch means: means of long stretches are nearly independent and nearly normal, even if
// arrivals are neither (R. W. Conway, Management Science 10, 1963). 1 if there are too few.
func (b blocks) relative() float64 {
	if len(b) < 3 {
		return 1
	}
	var mean float64
	for _, x := range b {
		mean += x / float64(len(b))
	}
	var squares float64
	for _, x := range b {
		squares += (x - mean) * (x - mean)
	}
	if mean <= 0 {
		return 1
	}
	n := float64(len(b))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1 + confidence) / 2)
	return t * math.Sqrt(squares/(n-1)/n) / mean
}

// bytesPerFile returns what a file occupies on average; 0 if there are too few.
//
// Inodes alone do not tell: the root is one, folders are some, and where SELinux labels files statfs
// counts one more for each ten files. What is written is known by its pages, so an average that is
// up to 15 % below what is declared is taken for it, and below one page for one page: no file with
// content is smaller. A full volume collects empty files, and is left out.
func bytesPerFile(points []usage.Point, capacity int64, d Declared) float64 {
	page := float64(d.PageSize)
	if page <= 0 {
		page = 4096
	}
	var used, files float64
	for i := range points {
		if p := &points[i]; capacity-p.Used >= int64(page) && p.InodesUsed > 1 {
			used += float64(p.Used)
			files += float64(p.InodesUsed - 1)
		}
	}
	declared := float64(d.BytesPerFile)
	if used == 0 || files == 0 {
		return declared
	}
	average := used / files
	switch {
	case declared > 0 && average <= declared*1.01 && average >= declared*(1-labelled):
		return declared
	case average < page:
		return page
	default:
		return average
	}
}

package inspect

import (
	"math"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/usage/learn"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// Learned is what the ages and sizes of the files in a volume tell of how it fills. Files that were
// deleted are not seen.
type Learned struct {
	Files int64 `json:"files"`
	Empty int64 `json:"emptyFiles"`
	// FileSize is the mean size of those that are not empty, in bytes; 0 if there is none. PagesEach is
	// what one of them occupies.
	FileSize  sizing.Bytes `json:"fileSizeBytes"`
	PagesEach sizing.Bytes `json:"-"`
	// Oldest is the age of the file that was modified first, and Written of the last one that is not
	// empty; negative if there is none.
	Oldest  time.Duration `json:"-"`
	Written time.Duration `json:"-"`
	// PerMinute is how many files of those that are there were created a minute over the last Over;
	// 0 if there are too few to say.
	PerMinute float64       `json:"createdPerMinute"`
	Over      time.Duration `json:"-"`
	// Estimate is all that was learned.
	Estimate learn.Estimate `json:"-"`
}

// Learn returns what a listing tells of a volume that has been there for so long.
func (l *Listing) Learn(running time.Duration) Learned {
	out := Learned{Written: -1}
	var content, pages sizing.Bytes
	for i := range l.Patterns {
		p := &l.Patterns[i]
		out.Files += p.Files
		out.Empty += p.Empty
		content, pages = content.Plus(p.Content), pages.Plus(p.Pages)
		out.Oldest = max(out.Oldest, p.Oldest)
		if p.Written >= 0 && (out.Written < 0 || p.Written < out.Written) {
			out.Written = p.Written
		}
	}
	if written := out.Files - out.Empty; written > 0 {
		out.FileSize = sizing.Bytes(content.DivUp(sizing.Bytes(written)))
		out.PagesEach = sizing.Bytes(pages.DivUp(sizing.Bytes(written)))
	}
	ages := learn.Ages{Files: out.Files, Bytes: int64(pages), Oldest: out.Oldest, Running: running}
	for _, y := range l.Younger {
		ages.Younger = append(ages.Younger, learn.Younger{Age: y.Age, Files: y.Files})
	}
	out.Estimate = learn.FromAges(ages, learn.Declared{})
	out.PerMinute, out.Over = out.Estimate.CreatedPerMinute, out.Estimate.Observed
	return out
}

// FullIn returns when so many free bytes are used up at the rate of late; ok is false if nothing says that they will be.
func (l *Learned) FullIn(free sizing.Bytes) (d time.Duration, ok bool) {
	perSecond := l.PerMinute * l.Estimate.BytesPerFile / 60
	if perSecond <= 0 || l.Estimate.Phase != learn.Filling {
		return 0, false
	}
	const longest = 365 * 24 * time.Hour
	return time.Duration(math.Min(float64(free)/perSecond, longest.Seconds()) * float64(time.Second)), true
}

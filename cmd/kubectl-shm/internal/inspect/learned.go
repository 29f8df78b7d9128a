package inspect

import (
	"math"
	"time"

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
	// 0 if there are too few to say. It is from Counted files.
	PerMinute float64       `json:"createdPerMinute"`
	Over      time.Duration `json:"-"`
	Counted   int64         `json:"-"`
	// Growth is how many bytes of pages were written a second over the same time.
	Growth float64 `json:"-"`
}

// fewest is how many files a rate needs at least: of 10, a Poisson process gives the mean within a
// third either way, two times out of three.
const fewest = 10

// Learn returns what a listing tells.
func (l *Listing) Learn() Learned {
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
	// The longest time in which no file of it can have been deleted for its age.
	out.Over, out.Counted = out.Oldest, out.Files
	for _, y := range l.Younger {
		if y.Age <= out.Oldest && y.Files >= fewest {
			out.Over, out.Counted, pages = y.Age, y.Files, y.Pages
		}
	}
	if out.Counted >= fewest && out.Over > 0 {
		out.PerMinute = float64(out.Counted) / out.Over.Minutes()
		out.Growth = float64(pages) / out.Over.Seconds()
	}
	return out
}

// Keeps reports whether nothing seems to have been deleted yet: the oldest file is about as old as
// what writes them. Otherwise files are deleted at about the age of the oldest one.
func (l *Learned) Keeps(running time.Duration) bool {
	return l.Oldest >= running-running/5
}

// FullIn returns when so many free bytes are used up at the growth of late; ok is false if nothing
// says that they will be.
func (l *Learned) FullIn(free sizing.Bytes, running time.Duration) (d time.Duration, ok bool) {
	if l.Growth <= 0 || !l.Keeps(running) {
		return 0, false
	}
	const longest = 365 * 24 * time.Hour
	return time.Duration(math.Min(float64(free)/l.Growth, longest.Seconds()) * float64(time.Second)), true
}

package size

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"time"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// The remedies, in the order in which they are compared.
const (
	asItIs     = "none"
	largerSize = "size"
	shorter    = "retention"
	fewerFiles = "rate"
	restarts   = "restart"
)

// remedy is one way to keep /dev/shm from filling, with what it takes. What does not help has Fails
// set: the volume still fills.
type remedy struct {
	Remedy string `json:"remedy"`
	// Do says what to do, and Costs what that costs beside memory.
	Do    string `json:"do"`
	Costs string `json:"costs"`

	Size       sizing.Bytes `json:"sizeBytes"`
	MemoryCost sizing.Bytes `json:"memoryCostBytes"`
	AverageUse sizing.Bytes `json:"averageUseBytes"`
	// Peak is how much is in use at the peak, in bytes; null if it has no bound.
	Peak  *sizing.Bytes `json:"peakBytes"`
	Fails bool          `json:"fails"`
	// FullAfter is in whole seconds, from empty at the average rate; null if it does not fill.
	FullAfter *int64 `json:"fullAfterSeconds"`

	// What the remedy leaves or sets.
	CreatedPerMinute float64 `json:"createdPerMinute"`
	Retention        *int64  `json:"retentionSeconds"`
	RestartEvery     *int64  `json:"restartEverySeconds"`

	files  sizing.Files
	result sizing.Size
}

// comparison is a files model and the size that is there, under which the remedies are compared.
type comparison struct {
	computed
	files   sizing.Files
	bounds  sizing.Bounds // without the policy's min and max
	current sizing.Bytes
}

// compare returns what each remedy costs and buys. current is the size that is mounted now.
func (c computed) compare(current sizing.Bytes) (*comparison, []remedy, error) {
	if c.Files() == nil {
		return nil, nil, fmt.Errorf("--compare: policy %s has no files model, so nothing says how /dev/shm fills: name a policy with sizing.files", cli.Quote(c.Name))
	}
	x := &comparison{computed: c, current: current}
	var err error
	if x.files, x.bounds, err = c.Arithmetic(); err != nil {
		return nil, nil, err
	}
	if x.files.Retention > 0 && x.fits(x.files) {
		return x, []remedy{x.none(), x.needless(largerSize), x.needless(shorter), x.needless(fewerFiles), x.needless(restarts)}, nil
	}
	return x, []remedy{x.none(), x.larger(), x.shorter(), x.fewer(), x.restarts()}, nil
}

// row returns a remedy under which files come and go, on a volume of a size.
func (x *comparison) row(name string, files sizing.Files, volume sizing.Bytes) remedy {
	s := files.Size(x.bounds)
	r := remedy{
		Remedy: name, Size: volume, MemoryCost: s.MemoryCostOf(volume), AverageUse: s.AverageUseOf(volume),
		Fails: s.Overflows(volume), CreatedPerMinute: files.CreatedPerMinute, files: files, result: s,
	}
	if s.Required != sizing.MaxBytes {
		r.Peak = &s.Required
	}
	if files.Retention > 0 {
		r.Retention = new(int64(files.Retention / time.Second))
	}
	if r.Fails {
		r.FullAfter = new(int64(s.FullAfterOf(volume) / time.Second))
	}
	return r
}

// fits reports whether files fit in the size that is there, with the headroom that a policy gives.
func (x *comparison) fits(files sizing.Files) bool { return files.Size(x.bounds).Limit <= x.current }

func (x *comparison) none() remedy {
	r := x.row(asItIs, x.files, x.current)
	r.Do, r.Costs = "leave it as it is", "nothing"
	if r.Fails {
		r.Costs = "it is full after " + human.Duration(r.result.FullAfterOf(x.current)) + ", and what needs a new file fails from then on"
	} else if r.result.Limit > x.current {
		r.Costs = fmt.Sprintf("nothing on average, but less than %s of spare room", human.Decimal(float64(x.bounds.HeadroomPercent))+"%")
	}
	return r
}

func (x *comparison) larger() remedy {
	r := x.row(largerSize, x.files, x.Limit)
	r.Do = fmt.Sprintf("mount a Memory emptyDir of %s", x.Limit)
	r.Costs = fmt.Sprintf("a memory limit higher by %s and a request higher by %s than what the process needs", wholeMiB(r.MemoryCost), wholeMiB(r.AverageUse))
	if r.Fails {
		r.Costs += ", and it only delays it: it is full after " + human.Duration(r.result.FullAfterOf(x.Limit))
	}
	return r
}

// shorter finds the longest retention, in whole minutes, whose files fit.
func (x *comparison) shorter() remedy {
	longest := 365 * 24 * time.Hour
	if x.files.Retention > 0 {
		longest = x.files.Retention
	}
	with := func(minutes int) sizing.Files {
		f := x.files
		f.Retention = time.Duration(minutes) * time.Minute
		return f
	}
	n := largest(int(longest/time.Minute), func(n int) bool { return x.fits(with(n)) })
	if n == 0 {
		return x.useless(shorter, "no retention is short enough: what is created between two sweeps does not fit")
	}
	r := x.row(shorter, with(n), x.current)
	kept := human.Duration(r.files.Retention)
	r.Do = "delete files after " + kept
	if x.files.Retention > 0 {
		r.Costs = fmt.Sprintf("what the files are for ends after %s instead of %s: sessions expire sooner", kept, human.Duration(x.files.Retention))
	} else {
		r.Costs = fmt.Sprintf("what the files are for ends after %s: sessions expire", kept)
	}
	return r
}

// rateSteps is how finely the rate is searched.
const rateSteps = 10_000

// fewer finds the highest rate whose files fit.
func (x *comparison) fewer() remedy {
	if x.files.Retention == 0 {
		return x.useless(fewerFiles, "no rate is low enough: files are never deleted, so fewer only delay it")
	}
	with := func(steps int) sizing.Files {
		f := x.files
		f.CreatedPerMinute *= float64(steps) / rateSteps
		return f
	}
	n := largest(rateSteps, func(n int) bool { return x.fits(with(n)) })
	if n == 0 {
		return x.useless(fewerFiles, "no rate is low enough: a single batch does not fit")
	}
	r := x.row(fewerFiles, with(n), x.current)
	r.Do = fmt.Sprintf("create %s files a minute instead of %s", significant(r.CreatedPerMinute), x.Files().CreatedPerMinute)
	r.Costs = fmt.Sprintf("probes in %s times as long intervals notice an outage later; it helps only as far as probes create the files", significant(rateSteps/float64(n)))
	return r
}

// restarts finds the longest time between two restarts, in whole minutes, within which what is
// created fits: then nothing has to be deleted.
func (x *comparison) restarts() remedy {
	with := func(minutes int) sizing.Files {
		f := x.files
		f.Retention, f.SweepInterval = time.Duration(minutes)*time.Minute, 0
		return f
	}
	most := 365 * 24 * 60
	if x.files.Retention > 0 {
		most = int((x.files.Retention + x.files.SweepInterval) / time.Minute)
	}
	n := largest(most, func(n int) bool { return x.fits(with(n)) })
	if n == 0 {
		return x.useless(restarts, "no interval is short enough: what is created in a minute does not fit")
	}
	r := x.row(restarts, with(n), x.current)
	// The volume is empty after a restart, and on average as full as half of the time makes it.
	half := with(n)
	half.Retention /= 2
	r.AverageUse = half.Size(x.bounds).AverageUseOf(x.current)
	r.RestartEvery, r.Retention = new(int64(n*60)), nil
	every := human.Duration(time.Duration(n) * time.Minute)
	r.Do = "create the Pod again every " + every
	r.Costs = fmt.Sprintf("all files are lost %s times in 30 days, and with them what they are for: everyone logs in again", human.Count(int64(math.Ceil(30*24*60/float64(n)))))
	return r
}

// needless returns a remedy that nobody needs: what is mounted now is enough.
func (x *comparison) needless(name string) remedy {
	r := x.row(name, x.files, x.current)
	r.Do, r.Costs = fmt.Sprintf("nothing: %s are enough", x.current), "nothing"
	return r
}

// useless returns a remedy that does not help.
func (x *comparison) useless(name, why string) remedy {
	r := x.row(name, x.files, x.current)
	r.Do, r.Costs, r.Fails = "-", why, true
	return r
}

// largest returns the largest n from 1 to most for which ok holds, 0 if there is none. ok must not
// hold again above an n for which it does not.
func largest(most int, ok func(int) bool) int {
	return sort.Search(most, func(i int) bool { return !ok(i + 1) })
}

// significant returns a number with three significant digits.
func significant(f float64) string { return significantDigits(f, 3) }

// significantDigits returns a number with so many significant digits, as a decimal number.
func significantDigits(f float64, digits int) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', digits, 64), 64)
	if err != nil {
		rounded = f // cannot be: it was a number
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

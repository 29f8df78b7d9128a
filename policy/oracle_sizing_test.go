package policy_test

import (
	"math"
	"path"
	"strconv"
	"sync"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// model is the sizing of a policy in plain figures.
type model struct {
	page, file       int64 // file: 0 if it is not known
	headroom         int64
	least, most      int64
	usePercent       int64
	averageUse       int64 // of files
	files, unbounded bool
}

func modelOf(p *v1alpha1.SharedMemoryPolicy) model {
	s := p.Spec.Sizing
	if s == nil {
		return model{page: 4 * kib}
	}
	m := model{page: quantityOr(s.PageSize, 4*kib), most: quantityOr(s.Max, 4*gib), usePercent: 100}
	m.least = quantityOr(s.Min, min(64*mib, m.most))
	percent := func(p *int32) {
		if p != nil {
			m.usePercent = int64(*p)
		}
	}
	switch {
	case s.Files != nil:
		m.files, m.headroom, m.file = true, 25, bytesOf(s.Files.FileSize)
		m.unbounded = s.Files.Retention == nil
		m.averageUse = averageUse(s.Files, m.page)
	case s.Fixed != nil:
		percent(s.Fixed.ExpectedUsePercent)
		m.file = quantityOr(s.Fixed.FileSize, 0)
	case s.MemoryPercent != nil:
		percent(s.MemoryPercent.ExpectedUsePercent)
	case s.Units != nil:
		percent(s.Units.ExpectedUsePercent)
	}
	if s.HeadroomPercent != nil {
		m.headroom = int64(*s.HeadroomPercent)
	}
	return m
}

// cost returns the memory cost of a volume.
func (m model) cost(volume int64) int64 { return cost(volume, m.file, m.page) }

// limit returns the size limit for a required size.
func (m model) limit(required int64) int64 {
	if required == endless {
		return m.most
	}
	withHeadroom := (times(required, 100+m.headroom) + 99) / 100
	return min(up(max(withHeadroom, m.least), mib), m.most)
}

// use returns the average use of a volume for a required size.
func (m model) use(volume, required int64) int64 {
	average := m.averageUse
	if !m.files {
		average = (times(required, m.usePercent) + 99) / 100
	}
	return min(volume, average)
}

func minutes(d *v1alpha1.Duration, otherwise time.Duration) float64 {
	if d == nil {
		return otherwise.Minutes()
	}
	parsed, err := time.ParseDuration(string(*d))
	if err != nil {
		panic(err)
	}
	return parsed.Minutes()
}

func rateOf(f *v1alpha1.Files) float64 {
	rate, err := strconv.ParseFloat(f.CreatedPerMinute, 64)
	if err != nil {
		panic(err)
	}
	return rate
}

func averageUse(f *v1alpha1.Files, page int64) int64 {
	if f.Retention == nil {
		return endless
	}
	lifetime := minutes(f.Retention, 0) + minutes(f.SweepInterval, 5*time.Minute)/2
	size := bytesOf(f.FileSize)
	return int64(math.Ceil(rateOf(f) * lifetime * float64(up(size, page)+kernelOf(size, page))))
}

var peaks sync.Map // of peakKey to int64

type peakKey struct {
	mean, probability float64
}

// quantile returns the smallest n with P(X > n) at most a probability, for X of a Poisson
// distribution: its terms are added up from far above the mean, the smallest first.
func quantile(mean, probability float64) int64 {
	key := peakKey{mean, probability}
	if n, found := peaks.Load(key); found {
		if n, ok := n.(int64); ok {
			return n
		}
	}
	d := distuv.Poisson{Lambda: mean}
	n := int64(mean + 40*math.Sqrt(mean) + 100)
	for above := 0.0; n >= 0; n-- {
		if above += d.Prob(float64(n)); above > probability {
			break
		}
	}
	n = max(n, 0)
	peaks.Store(key, n)
	return n
}

// requiredByFiles returns what a files model requires; endless if nothing is ever deleted.
func requiredByFiles(f *v1alpha1.Files, page int64) int64 {
	if f.Retention == nil {
		return endless
	}
	batch, probability := int64(1), 1e-6
	if f.Batch != nil {
		batch = int64(*f.Batch)
	}
	if f.OverflowProbability != "" {
		probability, _ = strconv.ParseFloat(f.OverflowProbability, 64)
	}
	mean := rateOf(
		f,
	) * (minutes(f.Retention, 0) + minutes(f.SweepInterval, 5*time.Minute)) / float64(
		batch,
	)
	return times(batch*quantile(mean, probability), up(bytesOf(f.FileSize), page))
}

// required returns what the policy requires of the Pod, without any override; ok is false if it
// follows from the memory of the writers, which is another matter.
func (w *world) required(p *v1alpha1.SharedMemoryPolicy) (size int64, ok bool) {
	s, m := p.Spec.Sizing, modelOf(p)
	switch {
	case s == nil || s.MemoryPercent != nil:
		return 0, false
	case s.Files != nil:
		return requiredByFiles(s.Files, m.page), true
	case s.Fixed != nil:
		return bytesOf(s.Fixed.Size), true
	default:
		return plus(quantityOr(s.Units.Base, 0), times(bytesOf(s.Units.Each), w.count(p))), true
	}
}

// count returns how many units the Pod has.
func (w *world) count(p *v1alpha1.SharedMemoryPolicy) int64 {
	c := p.Spec.Sizing.Units.Count
	switch {
	case c.Literal != nil:
		return int64(*c.Literal)
	case c.Annotation != nil:
		n, err := strconv.ParseInt(w.pod.Annotations[*c.Annotation], 10, 32)
		if err == nil && n >= 0 {
			return n
		}
		if c.Absent != nil {
			return int64(*c.Absent)
		}
		return 1
	}
	var n int64
	writers, found := w.writers(p), false
	for _, container := range notEphemeral(w.pod) {
		if !writers[container.Name] {
			continue
		}
		for _, list := range []corev1.ResourceList{container.Resources.Limits, container.Resources.Requests} {
			counted := false
			for name, q := range list {
				for _, pattern := range c.Resources {
					if ok, _ := path.Match(pattern, string(name)); ok {
						n, counted = n+q.Value(), true
						break
					}
				}
			}
			if found = found || counted; counted {
				break
			}
		}
	}
	if !found && c.Absent != nil {
		return int64(*c.Absent)
	}
	return n
}

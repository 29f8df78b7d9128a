package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// model is a compiled v1alpha1.Sizing: one model and its bounds.
type model struct {
	bounds sizing.Bounds

	files         *sizing.Files
	fixed         *sizing.Requirement
	memoryPercent *memoryPercent
	units         *units

	// podIndependent is the size if no Pod changes it, computed once; nil for a model that needs a
	// Pod to compute it.
	podIndependent *sizing.Size
	// observed are the sizes that measured figures give, for each workload; nil if they do not
	// count.
	observed map[workload]*sizing.Size
}

type memoryPercent struct{ percent, usePercent int64 }

// units is base + each x count.
type units struct {
	base, each sizing.Bytes
	usePercent int64

	annotation string
	resources  []glob
	literal    int64
	absent     int64
}

// precompute sets podIndependent for the models that need no Pod.
func (m *model) precompute() {
	switch {
	case m.files != nil:
		m.podIndependent = new(m.files.Size(m.bounds))
	case m.fixed != nil:
		m.podIndependent = new(m.fixed.Size(m.bounds))
	case m.units != nil && m.units.literal > 0:
		m.podIndependent = m.sizeOfUnits(m.units.literal)
	}
}

func (m *model) sizeOfRequirement(required sizing.Bytes, usePercent int64) *sizing.Size {
	return new(sizing.Requirement{Required: required, UsePercent: usePercent}.Size(m.bounds))
}

func (m *model) sizeOfUnits(count int64) *sizing.Size {
	return m.sizeOfRequirement(m.units.base.Plus(m.units.each.Times(count)), m.units.usePercent)
}

// size is the size of the volume for one Pod, and the warnings about it.
type size struct {
	*sizing.Size
	// noBasis reports whether nothing was known that the size could be computed from.
	noBasis bool
	// lowered is the size that the policy would give, if an annotation asked for less and
	// got it.
	lowered sizing.Bytes
	// invalid are the annotations that do not count.
	invalid  []Violation
	warnings []string
}

// cost returns the memory cost of a full volume in whole MiB, in bytes.
func (s *size) cost(volume sizing.Bytes) sizing.Bytes {
	return s.MemoryCostOf(volume).RoundUp(sizing.MiB)
}

// sizeFor computes the size for a Pod: the model, then the Pod's annotations.
func (v *view) sizeFor() size {
	m := v.policy.model
	if m == nil {
		// Without a model nothing is required, and a full volume is one large file.
		return size{Size: new(sizing.Requirement{}.Size(sizing.Bounds{Max: sizing.MaxBytes}))}
	}
	var out size
	observed := v.observedSize(m)
	switch {
	case observed != nil:
		out.Size = observed
	case m.podIndependent != nil:
		out.Size = m.podIndependent
	case m.memoryPercent != nil:
		out = v.percentOfMemory(m)
	default:
		out = v.countedUnits(m)
	}
	v.override(&out)
	return out
}

// percentOfMemory takes the largest memory limit of the writers, or of their requests if none
// has a limit, and else the Pod's own, without what the volumes cost that are there: so a
// volume does not make itself larger. A raised limit always has room for the reserve
// beside the volume, so the percentage is of at least the reserve.
func (v *view) percentOfMemory(m *model) size {
	probe := size{Size: m.sizeOfRequirement(0, 0)}
	base, found := v.memoryBase(&probe)
	if !found {
		return size{
			Size: m.sizeOfRequirement(m.bounds.Min, m.memoryPercent.usePercent), noBasis: true,
			warnings: []string{fmt.Sprintf(
				"policy %s takes %d%% of the memory limit, and no writer has a limit or request, so the size is the smallest that the policy gives, %s: set a memory limit",
				quote(v.policy.name), m.memoryPercent.percent, m.bounds.Min)},
		}
	}
	if v.policy.handling() == v1alpha1.MemoryRaise {
		base = max(base, v.policy.reserve)
	}
	required := (base.Times(m.memoryPercent.percent) / 100).RoundDown(sizing.MiB)
	return size{Size: m.sizeOfRequirement(required, m.memoryPercent.usePercent)}
}

func (v *view) memoryBase(probe *size) (base sizing.Bytes, found bool) {
	written := v.written(probe)
	for _, part := range [...]func(*memory) (sizing.Bytes, bool){
		func(m *memory) (sizing.Bytes, bool) { return m.limit, m.limit > 0 },
		func(m *memory) (sizing.Bytes, bool) { return m.request, m.request > 0 },
	} {
		for i := range v.containers {
			if c := &v.containers[i]; c.writer {
				if figure, ok := part(&c.memory); ok {
					base, found = max(base, figure.Minus(written[i])), true
				}
			}
		}
		if found {
			return base, true
		}
		if figure, ok := part(&v.pod); ok {
			return figure.Minus(v.writtenInPod(probe)), true
		}
	}
	return 0, false
}

// countedUnits counts what the Pod says it has.
func (v *view) countedUnits(m *model) size {
	u := m.units
	if u.annotation != "" {
		return v.countedByAnnotation(m)
	}
	if count, found := v.countResources(u.resources); found {
		return size{Size: m.sizeOfUnits(count)}
	}
	problem := "no " + firstPatterns(u.resources) + " in the writers"
	if claims := v.claims(); len(claims) > 0 {
		problem += ", and what the resource claims " + quoteAll(claims) + " stand for is not known"
	}
	return size{
		Size: m.sizeOfUnits(u.absent),
		warnings: []string{fmt.Sprintf("%s, counted as %d by policy %s: %s",
			problem, u.absent, quote(v.policy.name), v.howToAskForMore("if the Pod has some,"))},
	}
}

func (v *view) countedByAnnotation(m *model) size {
	u := m.units
	text, found := v.subject.Pod.Metadata.Annotations[u.annotation]
	count, err := strconv.ParseInt(text, 10, 32)
	if found && err == nil && count >= 0 && len(text) <= longestOverride {
		return size{Size: m.sizeOfUnits(count)}
	}
	problem := "is absent"
	if found {
		problem = fmt.Sprintf("is %s, not a whole number", quote(text))
	}
	return size{
		Size: m.sizeOfUnits(u.absent),
		warnings: []string{fmt.Sprintf("annotation %s %s, counted as %d by policy %s: write the count there, such as \"4\"",
			u.annotation, problem, u.absent, quote(v.policy.name))},
	}
}

// firstPatterns lists patterns for a message, the first few of many.
func firstPatterns(patterns []glob) string {
	const most = 3
	var names []string
	for i := range patterns {
		if i == most {
			return fmt.Sprintf("%s or %d other resources", strings.Join(names, ", "), len(patterns)-most)
		}
		names = append(names, shorten(patterns[i].pattern))
	}
	return strings.Join(names, ", ")
}

// countResources adds up what the writers have of the resources that a pattern matches. found
// is false if they name none of them.
func (v *view) countResources(patterns []glob) (count int64, found bool) {
	var total sizing.Bytes
	for i := range v.containers {
		c := &v.containers[i]
		if !c.writer || c.source.Resources == nil {
			continue
		}
		limits, requests := c.source.Resources.Limits, c.source.Resources.Requests
		for name, q := range limits {
			if anyMatches(patterns, string(name)) {
				total, found = total.Plus(sizing.BytesOf(q)), true
			}
		}
		for name, q := range requests {
			if _, limited := limits[name]; !limited && anyMatches(patterns, string(name)) {
				total, found = total.Plus(sizing.BytesOf(q)), true
			}
		}
	}
	return int64(total), found && total > 0
}

// claims returns the names of the resource claims of the writers, at most four.
func (v *view) claims() []string {
	var out []string
	for i := range v.containers {
		c := &v.containers[i]
		if !c.writer || c.source.Resources == nil {
			continue
		}
		for _, claim := range c.source.Resources.Claims {
			if len(out) == 4 {
				return out
			}
			if !slices.Contains(out, claim.Name) {
				out = append(out, claim.Name)
			}
		}
	}
	return out
}

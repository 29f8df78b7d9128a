package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// lint judges the policies of documents, in their order. It fails where a document cannot be read.
func lint(docs []*manifest.Document) (*linted, error) {
	l := &linted{}
	var unreadable problems
	var sound []loadedPolicy
	for _, d := range docs {
		objects, err := d.Objects()
		unreadable.add(err)
		for _, o := range objects {
			if !isPolicy(o) {
				l.others++
				continue
			}
			l.policies++
			before := len(l.findings)
			if p, ok := l.policy(o); ok {
				l.besides(sound, p)
				sound = append(sound, p)
			}
			slices.SortStableFunc(l.findings[before:], func(a, b lintFinding) int { return cmp.Compare(a.Line, b.Line) })
		}
	}
	return l, unreadable.err()
}

// policy judges one policy by itself. ok is false where it has errors that leave no policy to compare.
func (l *linted) policy(o manifest.Object) (p loadedPolicy, ok bool) {
	if err := checkVersion(o); err != nil {
		l.errors(o, err)
		return p, false
	}
	source := &v1alpha1.SharedMemoryPolicy{}
	strict := manifest.Decode(o, source, true)
	l.errors(o, strict)
	if strict != nil && manifest.Decode(o, source, false) != nil {
		return p, false // values that do not fit were told above
	}
	compiled, errs := policy.Compile(source)
	for _, e := range errs {
		l.errors(o, policyError(o, e))
	}
	if len(errs) > 0 {
		return p, false
	}
	p = loadedPolicy{policy: compiled, source: source, object: o}
	l.size(p)
	l.share(p)
	l.match(p)
	return p, true
}

func (l *linted) errors(o manifest.Object, err error) {
	var all problems
	all.add(err)
	for _, err := range all.found {
		f := lintFinding{File: o.Document.Source, Line: o.Document.Line, Policy: o.Name, Severity: lintError, Message: err.Error()}
		var at *manifest.Error
		if errors.As(err, &at) {
			f.Line, f.Field, f.Message = at.Line, at.Path, (&manifest.Error{Problem: at.Problem, Remedy: at.Remedy}).Error()
		}
		l.findings = append(l.findings, f)
	}
}

func (l *linted) warn(o manifest.Object, field, format string, args ...any) {
	l.findings = append(l.findings, lintFinding{
		File: o.Document.Source, Line: lineOf(o, field), Policy: o.Name, Severity: lintWarning,
		Field: pathInDocument(o, field), Message: fmt.Sprintf(format, args...),
	})
}

// size warns of a size that is known beforehand not to be enough.
func (l *linted) size(p loadedPolicy) {
	s, ok := p.policy.Size()
	switch {
	case !ok:
	case !s.Bounded:
		l.warn(p.object, "spec.sizing.files", "without retention no file is ever deleted and no size is enough: %s fills after %s; make the program delete files, and say by retention when", s.Limit, policy.Span(s.FullAfter))
	case s.Fills(s.Limit):
		l.warn(p.object, "spec.sizing.max", "%s is less than the %s that are needed, and fills after %s: raise max or shorten the retention", s.Limit, s.Demand, policy.Span(s.FullAfter))
	case s.Saturated:
		l.warn(p.object, "spec.sizing.max", "%s is less than the %s that are needed: raise max", s.Limit, s.Demand)
	}
}

// share warns of a share of the memory limit that leaves the limit no room for it: whatever limit a container has, the volume
// grows with it up to max.
func (l *linted) share(p loadedPolicy) {
	s := &p.source.Spec
	if s.Sizing.MemoryPercent == nil || s.Memory != v1alpha1.MemoryRequire {
		return
	}
	m, errs := newModel(p.source)
	if len(errs) > 0 {
		return // the policy compiled a moment ago
	}
	most := policy.BytesOf(*m.spec.Sizing.Max)
	share, lower := fmt.Sprintf("%d%%", *s.Sizing.MemoryPercent), "lower it"
	times := float64(*s.Sizing.MemoryPercent) / 100
	if h := s.Sizing.HeadroomPercent; h != nil && *h > 0 {
		times *= 1 + float64(*h)/100
		share, lower = fmt.Sprintf("%s and a headroomPercent of %d", share, *h), "lower one of them"
	}
	// The highest limit whose share max does not cut: the roundings weigh least there.
	limit := policy.Bytes(float64(most) / times)
	size := policy.NewSet(m.policy).Decide(m.subject(0, limit)).Size
	if size.Charge <= limit {
		return
	}
	l.warn(p.object, "spec.sizing.memoryPercent", "%s of a memory limit and the kernel memory for that are more than the limit, so that memory: Require refuses every container whose limit is below %s: %s, or write memory: Raise",
		share, size.ChargeOf(most), lower)
}

// match warns of filters that take too much or nothing.
func (l *linted) match(p loadedPolicy) {
	m := &p.source.Spec.Match
	if isEverything(m) {
		l.warn(p.object, "spec.match", "matches every Pod: name labels, images or tmpfsPaths that recognise the workload")
	}
	l.images(p.object, "spec.match.images", m.Images)
	if x := p.source.Spec.Exclude; x != nil {
		l.images(p.object, "spec.exclude.images", x.Images)
		if covers(x, m) {
			l.warn(p.object, "spec.exclude", "leaves out every Pod that spec.match matches, so that the policy governs none: exclude less")
		}
	}
}

func (l *linted) images(o manifest.Object, field string, patterns []string) {
	for i, pattern := range patterns {
		if problem := oddImage(pattern); problem != "" {
			l.warn(o, fmt.Sprintf("%s[%d]", field, i), "%q %s", pattern, problem)
		}
	}
}

// besides compares a policy with those before it.
func (l *linted) besides(others []loadedPolicy, p loadedPolicy) {
	for _, other := range others {
		name, otherName := p.policy.Name(), other.policy.Name()
		switch {
		case name == otherName:
			l.warn(p.object, "metadata.name", "%q is also the name of the policy at %s, and a cluster has only the one that was applied last: rename or remove one of them", name, position(other.object))
		case p.source.Spec.Priority == other.source.Spec.Priority && sameMatch(&p.source.Spec.Match, &other.source.Spec.Match):
			l.warn(p.object, "spec.priority", "%d is also the priority of %q at %s, which has the same match; then %q governs, since its name sorts first: give one of them another priority", p.source.Spec.Priority, otherName, position(other.object), min(name, otherName))
		}
	}
}

func sameMatch(a, b *v1alpha1.Match) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	slices.Sort(a.Images)
	slices.Sort(b.Images)
	return equality.Semantic.DeepEqual(a, b)
}

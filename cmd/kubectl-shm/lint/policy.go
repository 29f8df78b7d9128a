package lint

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// lint checks the policies of documents, in their order. It fails if a document cannot be read.
func lint(docs []*manifest.Document) (*report, error) {
	l := &report{skipped: map[string]int{}}
	var unreadable cli.Errors
	var policies, others []manifest.Object
	for _, d := range docs {
		objects, err := d.Objects()
		unreadable.Add(err)
		for _, o := range objects {
			if policyfile.Is(o) {
				policies = append(policies, o)
				continue
			}
			others = append(others, o)
			l.skipped[o.Kind]++
		}
	}
	pods := podsOf(others)
	var valid []policyfile.Policy
	for _, o := range policies {
		l.policies++
		before := len(l.findings)
		if p, ok := l.policy(o, pods); ok {
			l.compareWith(valid, p)
			valid = append(valid, p)
		}
		slices.SortStableFunc(l.findings[before:], func(a, b finding) int { return cmp.Compare(a.Line, b.Line) })
	}
	return l, unreadable.Err()
}

// policy checks one policy. ok is false if it has errors that leave no policy to compare.
func (l *report) policy(o manifest.Object, pods []policy.Subject) (p policyfile.Policy, ok bool) {
	p, ok, err := policyfile.Read(o)
	l.errors(o, err)
	if p.Source == nil {
		return p, false
	}
	l.match(p)
	l.names(p)
	if !ok {
		return p, false
	}
	l.excluded(p)
	l.mountPath(p)
	if field, message := p.Compiled.SizeWarning(); message != "" {
		l.warn(p.Object, field, "%s", message)
	}
	l.memoryPercent(p)
	l.wide(p)
	l.leftOut(p, pods)
	return p, true
}

func (l *report) errors(o manifest.Object, err error) {
	var all cli.Errors
	all.Add(err)
	for _, err := range all {
		f := finding{File: o.Document.Source, Line: o.Document.Line(""), Policy: o.Name, Severity: severityError, Message: err.Error()}
		var at *manifest.Error
		if errors.As(err, &at) {
			f.Line, f.Field, f.Message = at.Line, at.Path, (&manifest.Error{Problem: at.Problem, Remedy: at.Remedy}).Error()
		}
		l.findings = append(l.findings, f)
	}
}

// warn adds a warning on a field, unless there is an error on it already.
func (l *report) warn(o manifest.Object, field, format string, args ...any) {
	path := o.FieldPath(field)
	w := finding{File: o.Document.Source, Line: o.Document.Line(path), Policy: o.Name, Severity: severityWarning, Field: path, Message: fmt.Sprintf(format, args...)}
	isError := func(f finding) bool {
		return f.Severity == severityError && f.File == w.File && f.Line == w.Line && f.Field == path
	}
	if !slices.ContainsFunc(l.findings, isError) {
		l.findings = append(l.findings, w)
	}
}

// memoryPercent warns of a share of the memory limit that leaves the limit no room for it:
// whatever limit a container has, the volume grows with it up to max.
func (l *report) memoryPercent(p policyfile.Policy) {
	s := &p.Source.Spec
	if s.Sizing == nil || s.Sizing.MemoryPercent == nil || s.Memory.Handling != v1alpha1.MemoryRequire {
		return
	}
	m, errs := model.New(p.Source)
	if len(errs) > 0 {
		return // the policy compiled a moment ago
	}
	percent := s.Sizing.MemoryPercent.Percent
	most := sizing.BytesOf(*m.Spec.Sizing.Max)
	share, lower := fmt.Sprintf("%d%%", percent), "lower it"
	times := float64(percent) / 100
	if h := s.Sizing.HeadroomPercent; h != nil && *h > 0 {
		times *= 1 + float64(*h)/100
		share, lower = fmt.Sprintf("%s and a headroomPercent of %d", share, *h), "lower one of them"
	}
	// The highest limit whose share max does not cut: the roundings weigh least there.
	limit := sizing.Bytes(float64(most) / times)
	size := policy.NewSet(m.Compiled).Evaluate(m.Subject(0, limit)).Size
	if size.MemoryCost.Plus(p.Reserve()) <= limit {
		return
	}
	l.warn(p.Object, "spec.sizing.memoryPercent", "%s of a memory limit, the kernel memory for that and the reserve of %s are more than the limit, so memory.handling: Require rejects every container whose limit is below %s: %s, or write memory.handling: Raise",
		share, p.Reserve(), size.MemoryCostOf(most).Plus(p.Reserve()), lower)
}

// match warns of entries that match too much or nothing.
func (l *report) match(p policyfile.Policy) {
	spec := &p.Source.Spec
	for i := range spec.Match {
		at := fmt.Sprintf("spec.match[%d]", i)
		if isEverything(&spec.Match[i]) {
			l.warn(p.Object, at, "matches every Pod: name labels, images or tmpfsPaths that recognize the workload")
		}
		l.images(p.Object, at+".images", spec.Match[i].Images)
	}
	for i := range spec.Exclude {
		l.images(p.Object, fmt.Sprintf("spec.exclude[%d].images", i), spec.Exclude[i].Images)
	}
}

// excluded warns of an exclude that leaves nothing.
func (l *report) excluded(p policyfile.Policy) {
	spec := &p.Source.Spec
	left := func(m v1alpha1.Match) bool {
		return !slices.ContainsFunc(spec.Exclude, func(x v1alpha1.Match) bool { return covers(&x, &m) })
	}
	if len(spec.Match) > 0 && !slices.ContainsFunc(spec.Match, left) {
		l.warn(p.Object, "spec.exclude", "leaves out every Pod that spec.match matches, so the policy decides about none: exclude less")
	}
}

func (l *report) images(o manifest.Object, field string, patterns []string) {
	for i, pattern := range patterns {
		if problem := oddImage(pattern); problem != "" {
			l.warn(o, fmt.Sprintf("%s[%d]", field, i), "%q %s", pattern, problem)
		}
	}
}

// compareWith compares a policy with those before it.
func (l *report) compareWith(others []policyfile.Policy, p policyfile.Policy) {
	for _, other := range others {
		name, otherName := p.Compiled.Name(), other.Compiled.Name()
		switch {
		case name == otherName:
			l.warn(p.Object, "metadata.name", "%q is also the name of the policy at %s, and a cluster has only the one that was applied last: rename or remove one of them", name, policyfile.Position(other.Object))
		case p.Source.Spec.Priority == other.Source.Spec.Priority && sameMatch(p.Source.Spec.Match, other.Source.Spec.Match):
			l.warn(p.Object, "spec.priority", "%d is also the priority of %q at %s, which matches the same: then %q decides, as its name sorts first: give one of them another priority", p.Source.Spec.Priority, otherName, policyfile.Position(other.Object), min(name, otherName))
		}
	}
}

// sameMatch reports whether two policies match the same, whatever the order.
func sameMatch(a, b []v1alpha1.Match) bool {
	canonical := func(entries []v1alpha1.Match) []string {
		var out []string
		for _, m := range entries {
			m.Images = slices.Sorted(slices.Values(m.Images))
			text, _ := json.Marshal(m) // it was JSON
			out = append(out, string(text))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return slices.Equal(canonical(a), canonical(b))
}

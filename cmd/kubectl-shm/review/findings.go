package review

import (
	"errors"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
)

// level says how serious a finding is, in the words of SARIF.
type level string

const (
	levelError   level = "error"
	levelWarning level = "warning"
	levelNote    level = "note"
)

// finding is one thing to say about a line of a file, for programs that show it there.
type finding struct {
	level level
	// rule is the ID of a check, or the reason of a change, or one of the rules below.
	rule, title, message string
	file                 string
	line                 int
	container            string
}

// Rules beside the checks and the reasons of changes.
const (
	ruleWarning = "Warning"
	ruleNote    = "Note"
	ruleInvalid = "InvalidManifest"
)

// findings returns the findings about a result. What fails the command is an error.
func (v *review) findings(r *reviewer.Result) []finding {
	file, line := v.in.Place(r.Object, "")
	at := finding{file: file, line: line, title: r.Title()}
	var out []finding
	add := func(l level, rule, message string) {
		f := at
		f.level, f.rule, f.message = l, rule, message
		out = append(out, f)
	}
	serious := levelWarning
	if v.fails(*r) {
		serious = levelError
	}
	switch r.Outcome {
	case policy.Violating:
		for _, x := range r.After {
			at := at
			if path := r.ContainerPath(x.Container); path != "" {
				at.file, at.line = v.in.Place(r.Object, path)
			}
			at.level, at.rule, at.message, at.container = serious, x.ID(), r.SentenceOf(x), x.Container
			out = append(out, at)
		}
	case policy.Mutated:
		message := "SharedMemoryPolicy \"" + r.Policy + "\" " + r.Detail
		if !r.Enforced() {
			message = "would be changed in mode enforce: " + message
		}
		add(serious, string(r.Reason), message)
	}
	for _, warning := range r.Warnings {
		add(levelNote, ruleWarning, warning)
	}
	for _, note := range r.Notes {
		add(levelNote, ruleNote, note)
	}
	return out
}

// invalid returns what is wrong with the manifests that are left out.
func (v *review) invalid() []finding {
	var out []finding
	for _, err := range v.in.Problems {
		f := finding{level: levelError, rule: ruleInvalid, message: err.Error()}
		if at := (*manifest.Error)(nil); errors.As(err, &at) {
			f.file, f.line = at.Source, max(at.Line, 1)
			bare := *at
			bare.Source, bare.Line = "", 0
			f.message = bare.Error()
		}
		out = append(out, f)
	}
	return out
}

// allFindings returns the findings of all results, after what is wrong with the input.
func (v *review) allFindings() []finding {
	out := v.invalid()
	for i := range v.results {
		out = append(out, v.findings(&v.results[i])...)
	}
	return out
}

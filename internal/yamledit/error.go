package yamledit

import (
	"slices"
	"strconv"
	"strings"
)

// Error is one thing that is wrong with an input.
type Error struct {
	Source  string // the file as it was named; empty if that is not known
	Line    int    // 1-based; 0 if there is none to name
	Path    string // the field, as in spec.containers[0].image; empty for the document itself
	Problem string // what is wrong, with the value quoted
	Remedy  string // what to do about it; empty if nothing better than the problem is known
}

// Error gives "source:line: path: problem: remedy", leaving out what is not known.
func (e *Error) Error() string {
	source := e.Source
	if source != "" && e.Line > 0 {
		source += ":" + strconv.Itoa(e.Line)
	}
	parts := []string{source, e.Path, e.Problem, e.Remedy}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ": ")
}

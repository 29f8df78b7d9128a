package manifest

import (
	"errors"
	"strconv"
	"strings"
)

// Error is one thing that is wrong with an input.
type Error struct {
	Source  string // the file as it was named, or Stdin; empty when the caller did not say
	Line    int    // 1-based; 0 when there is none to name
	Path    string // the field, as in spec.containers[0].image; empty for the document itself
	Problem string // what is wrong, with the value quoted
	Remedy  string // what to do about it; empty when nothing better than the problem is known
}

// Error gives "source:line: path: problem: remedy", leaving out what is not known.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Source != "" {
		b.WriteString(e.Source)
		if e.Line > 0 {
			b.WriteString(":" + strconv.Itoa(e.Line))
		}
		b.WriteString(": ")
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Problem)
	if e.Remedy != "" {
		b.WriteString(": " + e.Remedy)
	}
	return b.String()
}

// maxReported bounds how many mistakes of one object are told at once.
const maxReported = 20

func join(found []*Error) error {
	errs := make([]error, 0, min(len(found), maxReported))
	for _, e := range found[:min(len(found), maxReported)] {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

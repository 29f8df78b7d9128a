package main

import (
	"errors"
	"fmt"
)

// maxProblems bounds how many mistakes are told at once.
const maxProblems = 20

// problems collects all that is wrong with an input, so that it can be mended in one go.
type problems struct{ found []error }

// add takes an error apart where it is several.
func (p *problems) add(err error) {
	if err == nil {
		return
	}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		p.found = append(p.found, several.Unwrap()...)
		return
	}
	p.found = append(p.found, err)
}

// err is nil where nothing was added.
func (p *problems) err() error {
	if more := len(p.found) - maxProblems; more > 0 {
		return errors.Join(append(p.found[:maxProblems:maxProblems], fmt.Errorf("and %d more like these", more))...)
	}
	return errors.Join(p.found...)
}

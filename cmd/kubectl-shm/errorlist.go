package main

import (
	"errors"
	"fmt"
)

// maxErrors bounds how many errors are reported at once.
const maxErrors = 20

// errorList collects all that is wrong with an input, so that it can be corrected in one go.
type errorList struct{ found []error }

// add appends an error. An error that joins several is taken apart.
func (l *errorList) add(err error) {
	if err == nil {
		return
	}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		l.found = append(l.found, several.Unwrap()...)
		return
	}
	l.found = append(l.found, err)
}

// err returns all errors, joined; nil if there are none.
func (l *errorList) err() error {
	if more := len(l.found) - maxErrors; more > 0 {
		return errors.Join(append(l.found[:maxErrors:maxErrors], fmt.Errorf("and %d more like these", more))...)
	}
	return errors.Join(l.found...)
}

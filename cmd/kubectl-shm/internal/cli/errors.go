package cli

import (
	"errors"
	"fmt"
)

// MaxErrors bounds how many errors are reported at once.
const MaxErrors = 20

// Errors collects all that is wrong with an input, so that it can be corrected in one go.
type Errors []error

// Add appends an error. An error that joins several is taken apart.
func (l *Errors) Add(err error) {
	var several interface{ Unwrap() []error }
	switch {
	case err == nil:
	case errors.As(err, &several):
		*l = append(*l, several.Unwrap()...)
	default:
		*l = append(*l, err)
	}
}

// Err returns all errors, joined; nil if there are none.
func (l Errors) Err() error {
	if more := len(l) - MaxErrors; more > 0 {
		return errors.Join(append(l[:MaxErrors:MaxErrors], fmt.Errorf("and %d more like these", more))...)
	}
	return errors.Join(l...)
}

package manifest

import (
	"errors"

	"github.com/shmkeeper/shmkeeper/internal/yamledit"
)

// Error is one thing that is wrong with an input.
type Error = yamledit.Error

// maxReported bounds how many mistakes of one object are reported at once.
const maxReported = 20

func join(found []error) error { return errors.Join(found[:min(len(found), maxReported)]...) }

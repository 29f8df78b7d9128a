package envtest

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// RunTests returns the exit status of a TestMain: it prepares what the tests of a package share, runs them,
// and calls stop, which may be nil, even if preparing failed.
func RunTests(m interface{ Run() int }, prepare func(context.Context) (stop func() error, err error)) (status int) {
	stop, err := prepare(context.Background())
	if err == nil {
		status = m.Run()
	}
	if stop != nil {
		err = errors.Join(err, stop())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

//go:build linux

// Command sessionwriter keeps sessions as authentik's proxy outpost did in the incident: with gorilla/sessions, in
// files of the folder TMPDIR, one for each request without a session cookie, and a sweep that deletes old ones.
//
//	sessionwriter         serve; see Settings for the environment variables
//	sessionwriter fill    create files and stop; for init containers
//	sessionwriter pause   wait for SIGTERM or SIGINT and reap orphans; the program of a Pod's sandbox
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// memoryLimit is what the heap is kept to: the container's memory is for the files.
const memoryLimit = 64 << 20

func main() {
	os.Exit(run(os.Args[1:], os.Getenv, os.Stderr))
}

// run does what the first argument says. The result is the exit status: 0 when all was done or a signal ended it, 1
// after a failure, 2 for arguments or settings that are wrong.
func run(args []string, getenv func(string) string, errOut io.Writer) int {
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	mode := ""
	if len(args) > 0 {
		mode = args[0]
	}
	var err error
	switch mode {
	case "":
		err = serveUntilSignal(getenv, errOut)
	case "fill":
		err = fill(args[1:], errOut)
	case "pause":
		pauseUntilSignal(errOut)
	default:
		err = usageError{fmt.Errorf("%q is not a mode: write fill, pause, or nothing to serve", mode)}
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(errOut, "error: %v\n", err)
	if wrong := (usageError{}); errors.As(err, &wrong) {
		return 2
	}
	return 1
}

// usageError represents a mistake of the user who started the program.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func serveUntilSignal(getenv func(string) string, errOut io.Writer) error {
	settings, err := ReadSettings(getenv)
	if err != nil {
		return usageError{err}
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	return serve(ctx, settings, slog.New(slog.NewJSONHandler(errOut, nil)))
}

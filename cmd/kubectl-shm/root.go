package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	exitOK       = 0 // nothing would be rejected
	exitRejected = 1 // something would be rejected
	exitUsage    = 2 // bad usage or bad input; nothing is printed to standard output, but by lint -o json
)

// streams holds what a command reads from and writes to.
type streams struct {
	in          io.Reader
	out, errOut io.Writer
	// terminal reports whether a person reads out, and color whether it is to be colored.
	terminal, color bool
}

// These end a command with a status, without a message of their own: what it printed says enough.
var (
	errRejected     = errors.New("something would be rejected") // exitRejected
	errInvalidInput = errors.New("the input is not valid")      // exitUsage
)

// run runs the whole program. What a command prints is held back until it has
// succeeded, so that bad input prints nothing but its error.
func run(args []string, s streams) int {
	var out bytes.Buffer
	held := s
	held.out = &out
	root := newRootCommand(held)
	root.SetArgs(args)
	status := exitOK
	switch err := root.Execute(); {
	case err == nil:
	case errors.Is(err, errRejected):
		status = exitRejected
	case errors.Is(err, errInvalidInput):
		status = exitUsage
	default:
		fmt.Fprintf(s.errOut, "error: %v\n", err)
		return exitUsage
	}
	if _, err := s.out.Write(out.Bytes()); err != nil {
		fmt.Fprintf(s.errOut, "error: write the output: %v\n", err)
		return exitUsage
	}
	return status
}

func newRootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-shm",
		Short: "Size /dev/shm, and see what shmkeeper would do to a manifest",
		Long: `Sizes /dev/shm and reviews manifests, without a cluster.

A container's /dev/shm is 64 MiB unless something else is mounted there. Programs
that keep a file there for each session fill it, and then fail for everybody.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl shm"},
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("there is no command %q: use one of those that %s --help lists", args[0], cmd.CommandPath())
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.errOut)
	root.AddCommand(
		newSizeCommand(s),
		newReviewCommand(s),
		newLintCommand(s),
		newPoliciesCommand(s),
		newSimulateCommand(s),
		newVersionCommand(s),
	)
	return root
}

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
	exitOK      = 0 // nothing would be refused
	exitRefused = 1 // something would be refused
	exitUsage   = 2 // bad usage or unreadable input; nothing is printed to standard output
)

// streams are where a command reads and writes. colour says whether out shows colours.
type streams struct {
	in          io.Reader
	out, errOut io.Writer
	colour      bool
}

// errRefused makes a command end with exitRefused, without a message of its own.
var errRefused = errors.New("something would be refused")

// run is the whole program. What a command prints is held back until it has
// succeeded, so that bad input prints nothing but its error.
func run(args []string, s streams) int {
	var out bytes.Buffer
	root := newRootCommand(streams{in: s.in, out: &out, errOut: s.errOut, colour: s.colour})
	root.SetArgs(args)
	err := root.Execute()
	if err != nil && !errors.Is(err, errRefused) {
		fmt.Fprintf(s.errOut, "error: %v\n", err)
		return exitUsage
	}
	if _, writeErr := s.out.Write(out.Bytes()); writeErr != nil {
		fmt.Fprintf(s.errOut, "error: write the output: %v\n", writeErr)
		return exitUsage
	}
	if err != nil {
		return exitRefused
	}
	return exitOK
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

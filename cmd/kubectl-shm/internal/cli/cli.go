// Package cli holds what the verbs of kubectl shm share: exit statuses, flags, input files and
// output.
package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shmkeeper/shmkeeper/internal/version"
)

// The exit statuses.
const (
	ExitOK       = 0 // nothing would be rejected
	ExitRejected = 1 // something would be rejected
	ExitUsage    = 2 // bad usage or bad input; what was good of the input may be printed
)

// These end a command with a status, without a message of their own: what it printed says enough.
var (
	ErrRejected     = errors.New("something would be rejected") // ExitRejected
	ErrInvalidInput = errors.New("the input is not valid")      // ExitUsage
)

// Streams holds what a command reads from and writes to.
type Streams struct {
	In          io.Reader
	Out, ErrOut io.Writer
	// Direct is Out for what must be seen at once, such as a table that is written again every
	// second: what goes to Out is held back until the command has succeeded.
	Direct io.Writer
	// Terminal reports whether a person reads Out, and Color whether it is to be colored.
	Terminal, Color bool
	// ErrTerminal reports whether a person reads ErrOut.
	ErrTerminal bool
	// Width is the number of columns of the terminal; 0 if there is none.
	Width int
}

// Verb makes the command of a verb.
type Verb func(Streams) *cobra.Command

// Run runs the program with the given verbs and returns its exit status. What a verb prints is held
// back until it has succeeded, so that bad input prints nothing but its error.
func Run(args []string, s Streams, verbs ...Verb) int {
	var out bytes.Buffer
	held := s
	held.Out, held.Direct = &out, s.Out
	root := Root(held, verbs)
	root.SetArgs(args)
	status := ExitOK
	switch err := root.Execute(); {
	case err == nil:
	case errors.Is(err, ErrRejected):
		status = ExitRejected
	case errors.Is(err, ErrInvalidInput):
		status = ExitUsage
	default:
		fmt.Fprintf(s.ErrOut, "error: %v\n", err)
		return ExitUsage
	}
	if _, err := s.Out.Write(out.Bytes()); err != nil {
		fmt.Fprintf(s.ErrOut, "error: write the output: %v\n", err)
		return ExitUsage
	}
	return status
}

// Root returns the program's command with the given verbs.
func Root(s Streams, verbs []Verb) *cobra.Command {
	printVersion := false
	root := &cobra.Command{
		Use:   "kubectl-shm",
		Short: "Size /dev/shm, and see what shmkeeper would do to manifests and to a cluster",
		Long: `Sizes /dev/shm, reviews manifests without a cluster, and audits what runs in one.

A container's /dev/shm is 64 MiB unless something else is mounted there. Programs
that keep a file there for each session fill it, and then fail for everybody.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl shm"},
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("there is no command %s: %s", Quote(args[0]), DidYouMean(args[0], names(cmd.Commands()), "use one of those that "+cmd.CommandPath()+" --help lists"))
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printVersion {
				_, err := fmt.Fprintln(s.Out, cmd.Name(), version.Text())
				return err
			}
			return cmd.Help()
		},
	}
	// Without a template, for which the linker would keep every exported method.
	root.Flags().BoolVar(&printVersion, "version", false, "print the version and the commit")
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.ErrOut)
	for _, verb := range verbs {
		root.AddCommand(verb(s))
	}
	// Errors about flags end in the remedy; the verbs inherit this.
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		// For a mistyped command, its name is what to report, and not the flags after it.
		if given := c.Flags().Args(); c.HasSubCommands() && len(given) > 0 {
			if unknown := c.ValidateArgs(given); unknown != nil {
				return unknown
			}
		}
		remedy := fmt.Sprintf("see %s --help", c.CommandPath())
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
			return fmt.Errorf("%w: %s", err, DidYouMean("--"+unknown.GetSpecifiedName(), flagsOf(c), remedy))
		}
		return fmt.Errorf("%w: %s", err, remedy)
	})
	return root
}

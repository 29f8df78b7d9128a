package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// explainUsage makes a command's errors about flags and arguments end in the remedy.
func explainUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, c.CommandPath())
	})
}

// onlyFlags rejects arguments, most often files that a shell made of one pattern after -f.
func onlyFlags(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s is not a flag: write -f before each file", strconv.Quote(args[0]))
	}
	return nil
}

// noArguments rejects arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: %s takes no arguments: remove it", strconv.Quote(args[0]), cmd.CommandPath())
	}
	return nil
}

// oneOf rejects a flag's value that is not among its choices, of which there are at least two.
func oneOf(flag, value string, choices []string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	last := len(choices) - 1
	return fmt.Errorf("%s: %s is unknown: write %s or %s", flag, strconv.Quote(value), strings.Join(choices[:last], ", "), choices[last])
}

// complete offers the choices of a flag that the command has.
func complete(cmd *cobra.Command, flag string, directive cobra.ShellCompDirective, choices []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(choices, directive)); err != nil {
		panic("kubectl-shm: " + err.Error()) // the flag does not exist: a mistake in this program
	}
}

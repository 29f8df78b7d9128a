package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// OnlyFlags rejects arguments, most often files that a shell made of one pattern after -f.
func OnlyFlags(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s is not a flag: write -f before each file", strconv.Quote(args[0]))
	}
	return nil
}

// NoArguments rejects arguments.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: %s takes no arguments: remove it", strconv.Quote(args[0]), cmd.CommandPath())
	}
	return nil
}

// Choice represents a flag whose value is one of a few words.
type Choice struct {
	// Value is what was written, or the default.
	Value string
	flag  string
	words []string
}

// AddOutput adds -o to a command. The first format is the default.
func (c *Choice) AddOutput(cmd *cobra.Command, formats ...string) {
	c.Add(cmd, "output", "o", formats[0], "`FORMAT`: ", formats...)
}

// Add adds a flag with at least two words to choose from. They are the end of its usage, and what
// the shell completes it with.
func (c *Choice) Add(cmd *cobra.Command, flag, shorthand, value, usage string, words ...string) {
	c.flag, c.words = flag, words
	cmd.Flags().StringVarP(&c.Value, flag, shorthand, value, usage+c.list())
	Complete(cmd, flag, cobra.ShellCompDirectiveNoFileComp, words)
}

// Validate returns an error unless the value is one of the words.
func (c *Choice) Validate() error {
	if slices.Contains(c.words, c.Value) {
		return nil
	}
	return fmt.Errorf("--%s: %s is unknown: write %s", c.flag, strconv.Quote(c.Value), c.list())
}

func (c *Choice) list() string {
	last := len(c.words) - 1
	return strings.Join(c.words[:last], ", ") + " or " + c.words[last]
}

// Complete offers words to complete a flag with that the command has.
func Complete(cmd *cobra.Command, flag string, directive cobra.ShellCompDirective, words []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, directive)); err != nil {
		panic("kubectl-shm: " + err.Error()) // the flag does not exist: a mistake in this program
	}
}

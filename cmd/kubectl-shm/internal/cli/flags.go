package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shmkeeper/shmkeeper/internal/human"
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

// Choice represents a flag whose value is one of a few words, at least two.
type Choice struct {
	// Value is what was written, or the default.
	Value string
	words []string
}

// AddOutput adds -o to a command. The first format is the default.
func (c *Choice) AddOutput(cmd *cobra.Command, formats ...string) {
	c.Value = formats[0]
	c.Add(cmd, "output", "o", "`FORMAT`: ", formats...)
}

// Add adds a flag. Its words are the end of its usage, and what the shell completes it with.
func (c *Choice) Add(cmd *cobra.Command, flag, shorthand, usage string, words ...string) {
	c.words = words
	cmd.Flags().VarP(c, flag, shorthand, usage+c.list())
	Complete(cmd, flag, cobra.ShellCompDirectiveNoFileComp, words)
}

func (c *Choice) list() string { return alternatives(c.words) }

// Set returns an error unless a value is one of the words. With String and Type it makes a
// pflag.Value of a Choice.
func (c *Choice) Set(value string) error {
	if !slices.Contains(c.words, value) {
		return errors.New(DidYouMean(value, c.words, "write "+c.list()))
	}
	c.Value = value
	return nil
}

// DidYouMean returns a remedy for a word that is not known: the one that was probably meant, or up
// to three that begin with it, or else what else to do.
func DidYouMean(word string, known []string, otherwise string) string {
	meant := human.Closest(word, known)
	if meant == "" && len(strings.TrimLeft(word, "-")) > 2 {
		longer := slices.DeleteFunc(slices.Sorted(slices.Values(known)), func(name string) bool { return !strings.HasPrefix(name, word) })
		if len(longer) <= 3 {
			meant = alternatives(longer)
		}
	}
	if meant == "" {
		return otherwise
	}
	return "did you mean " + meant + "? If not, " + otherwise
}

// alternatives lists words: "a", "a or b", "a, b or c".
func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// names returns the names of commands.
func names(commands []*cobra.Command) []string {
	var out []string
	for _, c := range commands {
		if c.IsAvailableCommand() {
			out = append(out, c.Name())
		}
	}
	return out
}

// flagsOf returns the long flags of a command, with two dashes.
func flagsOf(cmd *cobra.Command) []string {
	var out []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			out = append(out, "--"+f.Name)
		}
	})
	return out
}

// String returns the value.
func (c *Choice) String() string { return c.Value }

// Type returns what usage calls the value.
func (c *Choice) Type() string { return "string" }

// Complete offers words to complete a flag with that the command has.
func Complete(cmd *cobra.Command, flag string, directive cobra.ShellCompDirective, words []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, directive)); err != nil {
		panic("kubectl-shm: " + err.Error()) // the flag does not exist: a mistake in this program
	}
}

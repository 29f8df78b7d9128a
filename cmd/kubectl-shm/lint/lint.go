// Package lint finds what is wrong with SharedMemoryPolicies.
package lint

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/internal/human"
)

type options struct {
	files  cli.FileFlags
	output cli.Choice
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "lint -f FILE...|DIR|-",
		Short: "Find what is wrong with SharedMemoryPolicies",
		Long: `Finds all that is wrong with SharedMemoryPolicies, in one go. Errors are what the API
server would reject, and what would keep the policy from being used. Warnings are what no
rule can say: a size that fills up, a match of every Pod or one that every Pod is sent for,
a pattern or name that nothing can have, an exclude that leaves nothing, a mount path that
hides something, two policies of which only one can ever decide, and, if the Pods are among
the manifests, containers that name the path and are not among the writers. Other objects
are skipped and counted; without a policy there is nothing to lint, which is an error.

Prints a line for each finding, "file:line: name: error|warning: field: message"; with
-o json a list of {file, line, policy, severity, field, message}.

Exit status: 0 if there are at most warnings; 2 if there are errors, for bad usage, for
files that cannot be read and for files without a policy. With 2 everything goes to standard
error and standard output is empty, except that -o json prints the list of findings there
whenever the files could be read.`,
		Example: `  # A policy before it is applied
  kubectl shm lint -f examples/require-policy.yaml

  # All of a directory, for a program
  kubectl shm lint -f manifests/policies -o json

  # What another program wrote
  kubectl shm lint -f - < examples/require-policy.yaml`,
		Args: cli.OnlyFlags,
		RunE: func(*cobra.Command, []string) error { return o.run(s) },
	}
	f := cmd.Flags()
	o.files.Add(f)
	o.output.AddOutput(cmd, "text", "json")
	return cmd
}

func (o options) run(s cli.Streams) error {
	if err := o.files.Validate(); err != nil {
		return err
	}
	docs, err := o.files.Read(s.In)
	if err != nil {
		return err
	}
	l, err := lint(docs)
	if err != nil {
		return err
	}
	if l.policies == 0 {
		if len(l.skipped) == 0 && cli.IsBlank(docs) {
			return o.files.ErrNoObjects()
		}
		return o.errNoPolicies(l.skipped)
	}
	faulty := l.count(severityError) > 0
	switch {
	case o.output.Value == "json":
		err = cli.WriteJSON(s.Out, append([]finding{}, l.findings...))
	case faulty:
		l.write(s.ErrOut)
	default:
		l.write(s.Out)
	}
	if err == nil && faulty {
		err = cli.ErrInvalidInput
	}
	return err
}

// errNoPolicies returns the error of an input that has other objects only.
func (o options) errNoPolicies(skipped map[string]int) error {
	text := o.files.Sources() + ": there is no SharedMemoryPolicy in it"
	if len(skipped) > 0 {
		text += ", " + cli.CountSkipped(skipped)
	}
	return fmt.Errorf("%s: name a file that has one", text)
}

// severity says whether a finding makes a policy invalid.
type severity string

const (
	severityError   severity = "error"
	severityWarning severity = "warning"
)

// finding is one thing to say about a policy.
type finding struct {
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Policy   string   `json:"policy"`
	Severity severity `json:"severity"`
	Field    string   `json:"field"`
	Message  string   `json:"message"`
}

func (f finding) String() string {
	text := fmt.Sprintf("%s:%d: %s: %s: ", f.File, f.Line, cli.Plain(f.Policy), f.Severity)
	if f.Field != "" {
		text += f.Field + ": "
	}
	return text + f.Message
}

// report represents what was found.
type report struct {
	findings []finding
	policies int
	skipped  map[string]int // by kind
}

func (l *report) count(s severity) int {
	n := 0
	for _, f := range l.findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

func (l *report) write(w io.Writer) {
	for _, f := range l.findings {
		fmt.Fprintln(w, f)
	}
	text := fmt.Sprintf("%s: %s, %s", human.Plural(l.policies, "policy"),
		human.Plural(l.count(severityError), "error"), human.Plural(l.count(severityWarning), "warning"))
	if len(l.skipped) > 0 {
		text += "; " + cli.CountSkipped(l.skipped)
	}
	fmt.Fprintln(w, text)
}

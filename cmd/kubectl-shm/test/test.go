// Package test runs users' tests of their own policies.
package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/casefile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/testcase"
)

const help = `Evaluates the objects of cases and compares the outcomes with the wanted ones. A file
of cases is a list in YAML, of

  name: A browser gets 2Gi                # a sentence, of which each is there once
  policyFiles: [../policy.yaml]           # from the folder of the file
  library: [selenium]                     # policies of the library, "*" for all
  object: {apiVersion: v1, kind: Pod, ...}
  want:
    outcome: Mutated                      # or Violating, Compliant, Exempt, Skipped, NotMatched
    reason: AddVolume
    policy: selenium                      # which decides
    containers:                           # as they then are
      chrome: {volume: shmkeeper-shm, sizeLimit: 2Gi, limit: 2565Mi, request: 1Gi}

A case may also have policies (written out), imageMirrors, namespaceLabels, limitRanges and
resourceQuotas. want may also have violations (reasons), warnings (their number),
warningsContain, messagesContain, messagesLack, volumes (sizeLimits by name), podMemory
({limit, request}) and sharing (groups of containers that share what is at the path).
warnings is compared also if it is not written, as 0. "*" stands for any quantity.

A directory stands for its *.yaml and *.yml files, and those of the directories within, that
hold a list. kubectl shm create test writes a case.

Exit status: 0 if all cases pass, 1 if some fail, 2 for bad usage and cases that cannot be
read or evaluated.`

const examples = `  kubectl shm test examples/tests

  # For a program
  kubectl shm test examples/tests -o json`

type options struct {
	policies []string
	output   cli.Choice
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "test DIR|FILE...",
		Short:   "Test policies: compare outcomes with the wanted ones",
		Long:    help,
		Example: examples,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("there is nothing to test: name a directory or files of cases, as %s --help describes them", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), s, args) },
	}
	cmd.Flags().StringArrayVarP(&o.policies, "policy", "p", nil, "further policies for all cases: a `file`, a directory, or a built-in name; may be repeated")
	o.output.AddOutput(cmd, "text", "json")
	cli.Complete(cmd, "policy", cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
	return cmd
}

// outcome represents how a case ended.
type outcome struct {
	File string `json:"file"`
	Name string `json:"name"`
	Pass bool   `json:"pass"`
	// Problems are how the outcome differs from the wanted one.
	Problems []string `json:"problems"`
	// Said explains the object, if there is a difference.
	Said []string `json:"said"`
}

func (o options) run(ctx context.Context, s cli.Streams, paths []string) error {
	files, err := find(paths)
	if err != nil {
		return err
	}
	var others []policyfile.Policy
	if len(o.policies) > 0 {
		if others, err = policyfile.Load(o.policies, s.In); err != nil {
			return err
		}
	}
	outcomes := []outcome{}
	var wrong cli.Errors
	for _, file := range files {
		for i := range file.Cases {
			out, err := evaluate(ctx, file.Path, &file.Cases[i], others)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s: case %q: %w", file.Path, file.Cases[i].Name, err))
				continue
			}
			outcomes = append(outcomes, out)
		}
	}
	if err := wrong.Err(); err != nil {
		return err
	}
	if o.output.Value == "json" {
		err = cli.WriteJSON(s.Out, outcomes)
	} else {
		write(s, outcomes)
	}
	if err == nil && slices.ContainsFunc(outcomes, func(o outcome) bool { return !o.Pass }) {
		err = cli.ErrRejected
	}
	return err
}

func evaluate(ctx context.Context, path string, c *testcase.Case, others []policyfile.Policy) (outcome, error) {
	e, err := casefile.Evaluate(ctx, filepath.Dir(path), c, others)
	if err != nil {
		return outcome{}, err
	}
	problems := testcase.Compare(c.Want, e.Result, e.MountPath())
	if e.Result.Spec == nil && len(c.Want.Containers)+len(c.Want.Volumes)+len(c.Want.Sharing) > 0 {
		problems = append(problems, "want: the object holds no whole Pod template, so its containers and volumes cannot be compared: leave them out")
	}
	out := outcome{File: path, Name: c.Name, Pass: len(problems) == 0, Problems: append([]string{}, problems...), Said: []string{}}
	if !out.Pass {
		out.Said = append(append(out.Said, e.Review.Detail), e.Result.Warnings...)
	}
	return out, nil
}

// find reads the files of cases that paths name. In a directory, files that hold no list are left out.
func find(paths []string) ([]casefile.File, error) {
	var out []casefile.File
	var wrong cli.Errors
	for _, path := range paths {
		found := 0
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			named := file == path
			if entry.IsDir() || !named && !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(file)) {
				return nil
			}
			if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
				return err
			}
			cases, err := casefile.Read(file)
			if !named && errors.Is(err, casefile.ErrNoCases) {
				return nil
			}
			wrong.Add(err)
			out = append(out, cases)
			found++
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: there is no such file or directory: check the path", path)
		}
		wrong.Add(err)
		if err == nil && found == 0 {
			wrong.Add(fmt.Errorf("%s: there are no cases in it: write one with kubectl shm create test", path))
		}
	}
	return out, wrong.Err()
}

func write(s cli.Streams, outcomes []outcome) {
	failed := 0
	for _, o := range outcomes {
		if o.Pass {
			continue
		}
		failed++
		fmt.Fprintln(s.Out, s.Colored(cli.Red, "FAIL")+"  "+cli.PlainFile(o.File)+": "+o.Name)
		for _, problem := range o.Problems {
			fmt.Fprintln(s.Out, cli.Wrap("  "+problem, s.Width, "    "))
		}
		for _, said := range o.Said {
			fmt.Fprintln(s.Out, cli.Wrap("  said: "+said, s.Width, "    "))
		}
	}
	text := human.Plural(len(outcomes), "case") + fmt.Sprintf(": %d passed", len(outcomes)-failed)
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	fmt.Fprintln(s.Out, text)
}

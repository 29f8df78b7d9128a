// Package create writes files to begin with.
package create

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/casefile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/testcase"
	"github.com/shmkeeper/shmkeeper/policy"
)

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Write files to begin with",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("create: %s is not something to create: use kubectl shm create test", cli.Quote(args[0]))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(testCommand(s))
	return cmd
}

const help = `Writes a case for each Pod and Pod template of manifests, as kubectl shm test reads them.
The wanted outcome is the current one: read it, and correct it if it is not what
you mean. Policies are named as -p names them, files by their path from the folder of --dir;
without -p it is the library's policy that decides.`

const examples = `  kubectl shm create test -f examples/incident-deployment.yaml

  # By a policy of one's own, for a file in the folder examples/tests
  kubectl shm create test -f examples/naive-repair.yaml -p examples/require-policy.yaml --dir examples/tests`

type options struct {
	files     cli.FileFlags
	policies  []string
	namespace string
	dir       string
}

func testCommand(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "test -f FILE...|DIR|-",
		Short:   "Write cases for kubectl shm test",
		Long:    help,
		Example: examples,
		Args:    cli.OnlyFlags,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	f := cmd.Flags()
	o.files.Add(f)
	f.StringArrayVarP(&o.policies, "policy", "p", nil, "policies: a `file`, a directory, or a built-in name; may be repeated (default: all built-in ones)")
	f.StringVarP(&o.namespace, "namespace", "n", "default", "namespace of objects without one")
	f.StringVar(&o.dir, "dir", ".", "`folder` that the cases will be in")
	cli.Complete(cmd, "policy", cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
	return cmd
}

func (o options) run(ctx context.Context, s cli.Streams) error {
	if err := o.files.Validate(); err != nil {
		return err
	}
	if slices.Contains(o.policies, "-") {
		return errors.New(`-p: "-" has no path that a case could name: give the policies as a file`)
	}
	in, err := reviewer.Read(ctx, reviewer.Sources{Files: o.files, Namespace: o.namespace}, s.In)
	if err == nil {
		err = in.Errors()
	}
	if err != nil {
		return err
	}
	if len(in.Workloads) == 0 {
		return fmt.Errorf("%s: there is no Pod or Pod template in it: name a file that has one", o.files.Sources())
	}
	library, files, err := o.named()
	if err != nil {
		return err
	}
	cases := []testcase.Case{}
	done := map[string]bool{}
	for i := range in.Workloads {
		w := &in.Workloads[i]
		if w.At != "" || done[w.Title()] {
			continue // a case has one template
		}
		done[w.Title()] = true
		c := testcase.Case{Name: w.Title(), Library: library, PolicyFiles: files}
		c.Object.Raw = w.Object.JSON
		e, err := casefile.Evaluate(ctx, o.dir, &c, nil)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Title(), err)
		}
		fill(&c, &e)
		cases = append(cases, c)
	}
	text, err := marshal(cases)
	if err != nil {
		return err
	}
	fmt.Fprint(s.Out, text)
	return nil
}

// named returns the policies of -p as cases name them.
func (o options) named() (library, files []string, err error) {
	for _, name := range o.policies {
		if _, found := policyfile.BuiltIn(name); found {
			library = append(library, name)
			continue
		}
		file, err := filepath.Abs(name)
		dir := ""
		if err == nil {
			dir, err = filepath.Abs(o.dir)
		}
		if err == nil {
			file, err = filepath.Rel(dir, file)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("--dir: %s has no path to %s: %w", cli.Quote(o.dir), cli.Quote(name), err)
		}
		files = append(files, filepath.ToSlash(file))
	}
	if len(o.policies) == 0 {
		library = []string{"*"}
	}
	return library, files, nil
}

// fill writes into a case the outcome for its object.
func fill(c *testcase.Case, e *casefile.Evaluation) {
	got := &e.Result
	c.Want = testcase.Want{Outcome: got.Outcome, Reason: got.Reason, Policy: got.Policy, Warnings: len(got.Warnings)}
	c.Name = fmt.Sprintf("%s %s is %s", e.Review.Subject.Kind, e.Review.Subject.Name, got.Outcome)
	switch {
	case got.Outcome == policy.Violating:
		c.Want.Violations = got.Violations
	case got.Outcome == policy.Mutated && got.Spec != nil:
		c.Want.Containers = testcase.Observe(got.Spec, e.MountPath())
	}
	if slices.Equal(c.Library, []string{"*"}) && got.Policy != "" {
		c.Library = []string{got.Policy}
	}
}

// marshal writes cases with the fields that are empty left out.
func marshal(cases []testcase.Case) (string, error) {
	encoded, err := json.Marshal(cases)
	if err != nil {
		return "", fmt.Errorf("write the cases: %w", err)
	}
	text, err := yaml.JSONToYAML(encoded)
	if err != nil {
		return "", fmt.Errorf("write the cases: %w", err)
	}
	return string(text), nil
}

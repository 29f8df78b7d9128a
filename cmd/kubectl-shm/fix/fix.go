// Package fix writes into manifests what the webhook would change.
package fix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/human"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const help = `Writes into the files what the webhook would change in their Pods and Pod templates: the
volume, its mounts, and the memory limits and requests that go with it. So a workload runs
the same on a cluster without shmkeeper, and one with it finds nothing left to change.

Comments, order and layout stay, and so does every byte of what does not change. Figures are
whole Mi. No annotations are written. Modes and namespace labels do not matter: what is
written is what mode enforce makes of it.

What no change of the Pod can fix is said, with what to do. Kustomizations and Helm charts
are left alone, as review leaves them: fix the manifests that they are made of. With -f -
the result goes to standard output.

Exit status: 0 if nothing is left to fix; 1 if something is; 2 for bad usage and if
something cannot be read or written. The other files are then fixed all the same.`

const examples = `  # What would be written?
  kubectl shm fix -f examples/incident-deployment.yaml --dry-run

  # What another program wrote, fixed
  kubectl shm fix -f - < examples/incident-pod.yaml

  # All manifests of a directory, by one policy of the library
  kubectl shm fix -R -f examples -p authentik-proxy-outposts --dry-run`

type options struct {
	files     cli.FileFlags
	policies  []string
	mirrors   []string
	namespace string
	dryRun    bool
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "fix -f FILE...|DIR|-",
		Short:   "Write into manifests what the webhook would change",
		Long:    help,
		Example: examples,
		Args:    cli.OnlyFlags,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	f := cmd.Flags()
	o.files.Add(f)
	f.StringArrayVarP(&o.policies, "policy", "p", nil, "policies to fix by: a `file`, a directory, or a built-in name; may be repeated (default: those among the manifests, or else all built-in ones)")
	f.StringSliceVar(&o.mirrors, "image-mirrors", nil, "mirrors of registries or of parts of them, as `MIRROR=REPOSITORY,...`")
	f.StringVarP(&o.namespace, "namespace", "n", "default", "namespace of objects without one")
	f.BoolVar(&o.dryRun, "dry-run", false, "print what would be written, as a diff, and write nothing")
	cli.Complete(cmd, "policy", cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
	return cmd
}

func (o options) run(ctx context.Context, s cli.Streams) error {
	if err := o.files.Validate(); err != nil {
		return err
	}
	if slices.Contains(o.files.Names, "-") && (len(o.files.Names) > 1 || slices.Contains(o.policies, "-")) {
		return errors.New(`-f: "-" is written to standard output and cannot be combined with other files: give it alone`)
	}
	mirrors, err := policy.ParseMirrors(o.mirrors)
	if err != nil {
		return fmt.Errorf("--image-mirrors: %w", err)
	}
	in, err := reviewer.Read(ctx, reviewer.Sources{Files: o.files, Namespace: o.namespace}, s.In)
	if err != nil {
		return err
	}
	chosen, err := in.Choose(o.policies, s.In)
	if err != nil {
		return errors.Join(in.Errors(), err)
	}
	r, err := reviewer.New(in, reviewer.Settings{Policies: chosen.Policies, Mirrors: mirrors, Mode: v1alpha1.Enforce})
	if err != nil {
		return err
	}
	f := fixer{in: in, results: r.Results()}
	f.apply()
	err = f.write(s, o)
	switch problems := in.Errors(); {
	case problems != nil:
		fmt.Fprintf(s.ErrOut, "error: %v\n", problems)
		return cli.ErrInvalidInput
	case err == nil && f.left > 0:
		return cli.ErrRejected
	}
	return err
}

// fixer changes the documents of an input.
type fixer struct {
	in      *reviewer.Input
	results []reviewer.Result
	// fixed and left count the objects that are changed, and those that need it and cannot be.
	fixed, left int
}

// apply changes the documents.
func (f *fixer) apply() {
	for i := range f.results {
		r := &f.results[i]
		ops := reviewer.WithoutRecord(r.Fix, r.Subject.Pointer)
		switch {
		case r.Outcome == policy.Violating, r.Outcome == policy.Mutated && r.Fixed:
			f.left++
		case len(ops) > 0:
			if err := r.Object.Patch(ops); err != nil {
				f.in.Problems = append(f.in.Problems, err)
				continue
			}
			f.fixed++
		}
	}
}

// write writes the files, or what would be written, and says what was done.
func (f *fixer) write(s cli.Streams, o options) error {
	messages := s.Out
	var files int
	var err error
	switch {
	case o.dryRun:
		messages = s.ErrOut
		err = cli.WriteDiff(s.Out, f.in.Docs, s.Color)
	case slices.Contains(o.files.Names, "-"):
		messages = s.ErrOut
		err = manifest.Write(s.Out, f.in.Docs)
	default:
		files = f.writeFiles()
	}
	if err != nil {
		return err
	}
	f.report(messages)
	text := human.Plural(f.fixed, "object") + " fixed"
	if o.dryRun {
		text = human.Plural(f.fixed, "object") + " to fix"
	}
	if files > 0 {
		text += " in " + human.Plural(files, "file")
	}
	if f.left > 0 {
		text += fmt.Sprintf("; %d left to fix by hand", f.left)
	}
	fmt.Fprintln(messages, text)
	return nil
}

// report says what is done to each object, and what is left.
func (f *fixer) report(w io.Writer) {
	for i := range f.results {
		r := &f.results[i]
		file, line := f.in.Place(r.Object, "")
		at := fmt.Sprintf("%s:%d: %s: ", file, line, r.Title())
		switch {
		case r.Outcome == policy.Violating:
			for _, x := range r.After {
				fmt.Fprintln(w, at+"left: "+x.Detail)
			}
		case r.Outcome == policy.Mutated && r.Fixed:
			for _, note := range r.Notes {
				fmt.Fprintln(w, at+"left: "+note)
			}
		case r.Outcome == policy.Mutated && len(r.Fix) > 0:
			fmt.Fprintln(w, at+r.Detail)
		}
	}
	for _, note := range f.in.Notes {
		fmt.Fprintln(w, "note: "+note)
	}
}

// writeFiles writes the files that changed, and returns their number. What cannot be written is a problem.
func (f *fixer) writeFiles() (files int) {
	for _, docs := range cli.ByFile(f.in.Docs) {
		if !slices.ContainsFunc(docs, (*manifest.Document).Changed) {
			continue
		}
		if err := writeFile(docs); err != nil {
			f.in.Problems = append(f.in.Problems, err)
			continue
		}
		files++
	}
	return files
}

// writeFile writes the documents of one file into it.
func writeFile(docs []*manifest.Document) error {
	var before, after bytes.Buffer
	for _, d := range docs {
		before.Write(d.Raw())
	}
	if err := manifest.Write(&after, docs); err != nil {
		return err
	}
	return replace(docs[0].Source, before.Bytes(), after.Bytes())
}

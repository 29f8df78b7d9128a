// Package initpolicy writes a policy for a workload, to begin with.
package initpolicy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/model"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

const help = `Writes a SharedMemoryPolicy for a Pod or workload of a manifest, with comments on what to
correct. It matches the workload by the label that says what it is, or else by the image.
The writer is the container that mounts something at the mount path, or names the path, or
else the main one. The size is what the flags say, or that of the volume that is mounted;
without either it is a guess, which the policy says.

What the policy would do to the workload goes to standard error. For a workload of a cluster:
kubectl get deployment NAME -o yaml | kubectl shm init -f -`

const examples = `  # From a Deployment, with the size of the files that it keeps
  kubectl shm init -f examples/incident-deployment.yaml --files-per-minute 18 --file-size 1500 --retention 168h

  # With the size of a policy of the library
  kubectl shm init -f examples/hand-written-outpost.yaml -p authentik-proxy-outposts`

type options struct {
	files     cli.FileFlags
	object    string
	container string
	name      string
	size      string
	model     *model.Flags
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "init -f FILE|-",
		Short:   "Write a policy for a workload, to begin with",
		Long:    help,
		Example: examples,
		Args:    cli.OnlyFlags,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	f := cmd.Flags()
	o.files.Add(f)
	f.StringVar(&o.object, "object", "", "which workload, as `KIND/NAME`, if there are several")
	f.StringVarP(&o.container, "container", "c", "", "`NAME` of the container that writes to /dev/shm")
	f.StringVar(&o.name, "name", "", "`NAME` of the policy (default: that of the workload)")
	f.StringVar(&o.size, "size", "", "a fixed `SIZE`, such as 1Gi")
	o.model = model.AddFlags(cmd)
	return cmd
}

func (o options) run(ctx context.Context, s cli.Streams) error {
	if err := o.files.Validate(); err != nil {
		return err
	}
	in, err := reviewer.Read(ctx, reviewer.Sources{Files: o.files, Namespace: "default"}, s.In)
	if err == nil {
		err = in.Errors()
	}
	if err != nil {
		return err
	}
	w, err := o.choose(in)
	if err != nil {
		return err
	}
	d := draft{workload: w, name: o.policyName(w)}
	if err := d.chooseWriter(o.container); err != nil {
		return err
	}
	d.chooseMatch()
	if err := o.chooseSize(&d, s); err != nil {
		return err
	}
	text, err := d.text()
	if err != nil {
		return err
	}
	if err := explain(in, w, text, s); err != nil {
		return err
	}
	fmt.Fprint(s.Out, text)
	return nil
}

// choose returns the workload that --object names, or the only one.
func (o options) choose(in *reviewer.Input) (*reviewer.Workload, error) {
	var titles []string
	for i := range in.Workloads {
		w := &in.Workloads[i]
		title := w.Subject.Kind + "/" + w.Subject.Name
		if o.object == title && w.At == "" || o.object == "" && len(in.Workloads) == 1 {
			return w, nil
		}
		if !slices.Contains(titles, title) {
			titles = append(titles, title)
		}
	}
	const most = 10
	switch {
	case len(titles) == 0:
		return nil, fmt.Errorf("%s: there is no Pod or Pod template in it: name a file that has one", o.files.Sources())
	case o.object != "":
		return nil, fmt.Errorf("--object: %s is not in the input: %s", cli.Quote(o.object), cli.DidYouMean(o.object, titles, "give one of "+strings.Join(titles[:min(most, len(titles))], ", ")))
	default:
		return nil, fmt.Errorf("--object: is missing, and there are several Pod templates: give one of %s", strings.Join(titles[:min(most, len(titles))], ", "))
	}
}

// policyName returns the name of the policy.
func (o options) policyName(w *reviewer.Workload) string {
	name := strings.ToLower(strings.TrimRight(w.Subject.Name, "-."))
	if o.name != "" {
		name = o.name
	}
	if name == "" {
		name = "my-policy"
	}
	return name
}

// chooseSize fills in the sizing of a draft.
func (o options) chooseSize(d *draft, s cli.Streams) error {
	switch {
	case o.size != "" && o.model.Given():
		return fmt.Errorf("--size: %s cannot be combined with flags that describe what is written: leave one of them out", cli.Quote(o.size))
	case o.size != "":
		q, err := model.QuantityFlag("size", o.size)
		if err != nil {
			return err
		}
		d.sizing, d.why = &v1alpha1.Sizing{Fixed: &v1alpha1.Fixed{Size: q}}, "as --size says"
	case o.model.Given():
		if slices.Contains(o.files.Names, "-") && o.model.ReadsStdin() {
			return errors.New(`-p: "-" is stdin, which -f reads already: give the policy as a file`)
		}
		m, err := o.model.Model(s.In)
		if err != nil {
			return err
		}
		d.sizing, d.why = m.Given, "as the flags say"
		if m.Name != "" {
			d.why = fmt.Sprintf("that of policy %q", m.Name)
		}
	default:
		d.sizeOfVolume()
	}
	return nil
}

// explain compiles the policy and says what it would do to the workload.
func explain(in *reviewer.Input, w *reviewer.Workload, text string, s cli.Streams) error {
	docs, err := manifest.Read(bytes.NewReader([]byte(text)), "the policy")
	if err != nil {
		return err
	}
	objects, err := docs[0].Objects()
	if err != nil {
		return err
	}
	loaded, err := policyfile.Compile(objects)
	if err != nil {
		return fmt.Errorf("%w: correct it with a flag, such as --name", err)
	}
	only := *in
	only.Workloads = []reviewer.Workload{*w}
	r, err := reviewer.New(&only, reviewer.Settings{Policies: loaded, Mode: v1alpha1.Enforce})
	if err != nil {
		return err
	}
	for _, result := range r.Results() {
		if result.Outcome == policy.NotMatched {
			return fmt.Errorf("%s: no label and no image tells it from other Pods: give it the label app.kubernetes.io/name", w.Title())
		}
		fmt.Fprintf(s.ErrOut, "%s: %s, %s\n", w.Title(), result.Outcome, result.Detail)
		for _, warning := range result.Warnings {
			fmt.Fprintln(s.ErrOut, "warning: "+warning)
		}
	}
	return nil
}

// labels that say what a Pod is, the best first.
var telling = []string{"app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of", "app", "k8s-app", "component", "role"}

// chooseMatch fills in what the policy matches.
func (d *draft) chooseMatch() {
	labels := d.workload.Subject.Pod.Metadata.Labels
	chosen := map[string]string{}
	switch {
	case labels["app.kubernetes.io/name"] != "":
		for _, key := range telling[:2] {
			if value := labels[key]; value != "" {
				chosen[key] = value
			}
		}
	default:
		for _, key := range telling[2:] {
			if value := labels[key]; value != "" {
				chosen[key] = value
				break
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(chosen)) {
		d.labels = append(d.labels, [2]string{key, chosen[key]})
	}
}

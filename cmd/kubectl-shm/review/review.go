// Package review shows what the webhook would do to the Pods of manifests.
package review

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/policy"
)

type options struct {
	files     cli.FileFlags
	policies  []string
	labels    []string
	mirrors   []string
	namespace string
	mode      cli.Choice
	output    cli.Choice
}

const help = `Shows what the webhook would do to each Pod, and to the Pods of each Deployment,
StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job and CronJob, in YAML or
JSON manifests. Pod templates in objects of other kinds, such as a RayCluster, are found
by their shape; one that cannot be read is named in a note. Lists are looked into, and
objects without a Pod are skipped and counted.

The policies are those of -p; without it, those among the manifests; and if there are none
either, the built-in ones. The last line says whose they were. A Pod that no policy matches
is checked for mistakes that need no policy to be seen, which are notes, not violations.

LimitRanges among the manifests apply to the objects of their namespace. The webhook sees
a Pod with the limits and requests that they give it, and so does review: what it raises
it writes, also if the manifest names no limit. Of a ResourceQuota counts what its status
leaves of memory, or all of its spec.hard without a status; each object is evaluated as one
more Pod, without the other manifests. Namespaces give their objects their labels. A label
shmkeeper.dev/mode counts as it does in a cluster; a namespace without one is taken for one
labeled enforce. Autoscalers that see what is raised are named in a warning.

Outputs:
  report  a line for each object, below it what would happen and why
  diff    the changed manifests as a unified diff, which patch -p0 takes
  yaml    all manifests, with the changes, for kubectl apply; what does not change stays
          as it is, byte for byte
  json    a list of {kind, namespace, name, template, outcome, policy, reason, detail,
          sizeLimit, patch, violations: [{id, reason, detail, container}], warnings, notes};
          outcome is Mutated, Violating, Compliant, Exempt, Skipped or NotMatched
  patch   a list of {apiVersion, kind, namespace, name, patch} of what changes; each patch
          is a JSON patch (RFC 6902), as kubectl patch --type=json takes it
With diff, yaml and patch, violations, warnings and notes go to standard error; with json
the notes on what is not reviewed.

Exit status: 0 if nothing would be rejected, 1 if something would be, 2 for bad usage and
manifests that cannot be read; standard output is then empty.`

const helpExamples = `  # What would happen to this Pod, and why?
  kubectl shm review -f examples/incident-pod.yaml

  # What would change?
  kubectl shm review -f examples/incident-deployment.yaml -o diff

  # In a pipeline: the changed manifests, or exit status 1
  kubectl shm review -f - -o yaml < examples/incident-deployment.yaml

  # Under a policy of one's own
  kubectl shm review -f examples/naive-repair.yaml -p examples/require-policy.yaml

  # Under one policy of the library, in a namespace that is only warned
  kubectl shm review -R -f examples -p authentik-proxy-outposts --namespace-labels shmkeeper.dev/mode=warn

  # In a cluster that pulls ghcr.io/x/y as harbor.local/ghcr/x/y
  kubectl shm review -f examples/incident-pod.yaml --image-mirrors harbor.local/ghcr=ghcr.io`

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "review -f FILE...|DIR|-",
		Short:   "Show what the webhook would do to the Pods and templates of manifests",
		Long:    help,
		Example: helpExamples,
		Args:    cli.OnlyFlags,
		RunE:    func(*cobra.Command, []string) error { return o.run(s) },
	}
	f := cmd.Flags()
	o.files.Add(f)
	f.StringArrayVarP(&o.policies, "policy", "p", nil, "policies to review by: a `file`, a directory, or a built-in name; may be repeated (default: those among the manifests, or else all built-in ones)")
	f.StringArrayVar(&o.labels, "namespace-labels", nil, "labels of the namespaces, as `key=value,...`")
	f.StringSliceVar(&o.mirrors, "image-mirrors", nil, "mirrors of registries or of parts of them, as `MIRROR=REPOSITORY,...`")
	f.StringVarP(&o.namespace, "namespace", "n", "default", "namespace of objects without one")
	o.mode.Value = "enforce"
	o.mode.Add(cmd, "mode", "", "the most that is done: ", "audit", "warn", "enforce")
	o.output.AddOutput(cmd, "report", "diff", "yaml", "json", "patch")
	cli.Complete(cmd, "policy", cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
	return cmd
}

func (o options) validate() error {
	if err := o.files.Validate(); err != nil {
		return err
	}
	if slices.Contains(o.files.Names, "-") && slices.Contains(o.policies, "-") {
		return errors.New(`-p: "-" is stdin, which -f reads already: give the policies as a file`)
	}
	if problems := validation.IsDNS1123Label(o.namespace); len(problems) > 0 {
		return fmt.Errorf("-n: %s is not the name of a namespace: write lower-case letters, digits and -", strconv.Quote(o.namespace))
	}
	return nil
}

func (o options) run(s cli.Streams) error {
	if err := o.validate(); err != nil {
		return err
	}
	labels, err := parseLabels("--namespace-labels", o.labels)
	if err != nil {
		return err
	}
	mode, err := policy.ParseMode(o.mode.Value)
	if err != nil {
		return err
	}
	mirrors, err := policy.ParseMirrors(o.mirrors)
	if err != nil {
		return fmt.Errorf("--image-mirrors: %w", err)
	}
	in, err := readInput(o.files, s.In, o.namespace)
	if err != nil {
		return err
	}
	loaded, whose, err := in.chosenPolicies(o.policies, s.In)
	if err != nil {
		return err
	}
	reviewer, err := newReviewer(in, settings{policies: loaded, mirrors: mirrors, mode: mode, labels: labels})
	if err != nil {
		return err
	}
	results, err := reviewer.results()
	if err != nil {
		return err
	}
	for _, r := range results {
		if err := r.object.Patch(r.patch); err != nil {
			return err
		}
	}
	if err := o.write(s, in, results, whose); err != nil {
		return err
	}
	if slices.ContainsFunc(results, result.rejected) {
		return cli.ErrRejected
	}
	return nil
}

func (o options) write(s cli.Streams, in *input, results []result, whose string) error {
	var err error
	switch o.output.Value {
	case "report":
		writeReport(s.Out, results, in, whose)
		return nil
	case "json":
		if err = cli.WriteJSON(s.Out, reviewJSON(results)); err == nil {
			writeNotes(s.ErrOut, in.notes)
		}
		return err
	case "patch":
		err = cli.WriteJSON(s.Out, patchesJSON(results))
	case "diff":
		err = writeDiff(s.Out, in.docs, s.Color)
	case "yaml":
		err = manifest.Write(s.Out, in.docs)
	}
	if err == nil {
		writeFindings(s.ErrOut, results)
		writeNotes(s.ErrOut, in.notes)
	}
	return err
}

// writeFindings writes what an output for programs cannot hold.
func writeFindings(w io.Writer, results []result) {
	for _, r := range results {
		for _, v := range r.After {
			fmt.Fprintf(w, "%s: %s\n", r.title(), r.violation(v))
		}
		for _, aside := range r.asides() {
			fmt.Fprintf(w, "%s: %s\n", r.title(), aside)
		}
	}
}

// parseLabels reads lists of key=value, each key once.
func parseLabels(flag string, lists []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, list := range lists {
		if list == "" {
			continue
		}
		for _, pair := range strings.Split(list, ",") {
			key, value, found := strings.Cut(pair, "=")
			if !found || len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0 {
				return nil, fmt.Errorf("%s: %s is not a label: write key=value, several with commas", flag, strconv.Quote(pair))
			}
			if earlier, given := labels[key]; given {
				return nil, fmt.Errorf("%s: %s gives a label that %s gives already: leave one of them out", flag, strconv.Quote(pair), strconv.Quote(key+"="+earlier))
			}
			labels[key] = value
		}
	}
	return labels, nil
}

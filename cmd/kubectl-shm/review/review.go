// Package review shows what the webhook would do to the Pods of manifests.
package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/policy"
)

type options struct {
	from     reviewer.Sources
	policies []string
	against  []string
	labels   []string
	mirrors  []string
	all      bool
	mode     cli.Choice
	failOn   cli.Choice
	output   cli.Choice
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "review -f FILE...|DIR|- | -k DIR",
		Short:   "Show what the webhook would do to the Pods and templates of manifests",
		Long:    help,
		Example: helpExamples,
		Args:    cli.OnlyFlags,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	f := cmd.Flags()
	o.from.Files.Add(f)
	f.StringArrayVarP(&o.from.Rendered, "kustomize", "k", nil, "`directory` of a kustomization or of a Helm chart to render, by the kubectl, kustomize or helm on the PATH; may be repeated")
	f.StringArrayVar(&o.from.Values, "values", nil, "`file` of values for the Helm charts of -k; may be repeated")
	f.StringArrayVarP(&o.policies, "policy", "p", nil, "policies to review by: a `file`, a directory, or a built-in name; may be repeated (default: those among the manifests, or else all built-in ones)")
	f.StringArrayVar(&o.against, "against", nil, "other policies, such as those of today: a `file`, a directory, or a built-in name; only what changes is shown; may be repeated")
	f.StringArrayVar(&o.labels, "namespace-labels", nil, "labels of the namespaces, as `key=value,...`")
	f.StringSliceVar(&o.mirrors, "image-mirrors", nil, "mirrors of registries or of parts of them, as `MIRROR=REPOSITORY,...`")
	f.StringVarP(&o.from.Namespace, "namespace", "n", "default", "namespace of objects without one")
	f.BoolVar(&o.all, "all", false, "list objects that no policy matches in the report and the table too")
	o.mode.Value = "enforce"
	o.mode.Add(cmd, "mode", "", "the most that is done: ", "audit", "warn", "enforce")
	o.failOn.Value = failViolating
	o.failOn.Add(cmd, "fail-on", "", "what ends with exit status 1: ", failChanged, failViolating, failNever)
	o.output.AddOutput(cmd, "report", "table", "diff", "yaml", "json", "patch", "sarif", "junit", "github")
	for _, flag := range [...]string{"policy", "against"} {
		cli.Complete(cmd, flag, cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
	}
	return cmd
}

// What --fail-on asks for.
const (
	failChanged   = "changed"
	failViolating = "violating"
	failNever     = "never"
)

func (o options) validate() error {
	if len(o.from.Rendered) == 0 {
		if err := o.from.Files.Validate(); err != nil {
			return fmt.Errorf("%w; or give -k and the directory of a kustomization or chart", err)
		}
		if len(o.from.Values) > 0 {
			return errors.New("--values: there is no chart to render: give its directory with -k")
		}
	}
	if slices.Contains(o.from.Files.Names, "-") && slices.Contains(o.policies, "-") {
		return errors.New(`-p: "-" is stdin, which -f reads already: give the policies as a file`)
	}
	if problems := validation.IsDNS1123Label(o.from.Namespace); len(problems) > 0 {
		return fmt.Errorf("-n: %s is not the name of a namespace: write lower-case letters, digits and -", strconv.Quote(o.from.Namespace))
	}
	return nil
}

// settings returns all of a review's settings but the policies.
func (o options) settings() (reviewer.Settings, error) {
	labels, err := parseLabels("--namespace-labels", o.labels)
	if err != nil {
		return reviewer.Settings{}, err
	}
	mode, err := policy.ParseMode(o.mode.Value)
	if err != nil {
		return reviewer.Settings{}, err
	}
	mirrors, err := policy.ParseMirrors(o.mirrors)
	if err != nil {
		return reviewer.Settings{}, fmt.Errorf("--image-mirrors: %w", err)
	}
	return reviewer.Settings{Mirrors: mirrors, Mode: mode, Labels: labels}, nil
}

func (o options) run(ctx context.Context, s cli.Streams) error {
	if err := o.validate(); err != nil {
		return err
	}
	settings, err := o.settings()
	if err != nil {
		return err
	}
	in, err := reviewer.Read(ctx, o.from, s.In)
	if err != nil {
		return err
	}
	chosen, err := in.Choose(o.policies, s.In)
	if err != nil {
		return errors.Join(in.Errors(), err)
	}
	settings.Policies = chosen.Policies
	r, err := reviewer.New(in, settings)
	if err != nil {
		return err
	}
	out := &review{options: o, in: in, chosen: chosen, results: r.Results()}
	var c *comparison
	if len(o.against) > 0 {
		if c, err = out.compare(settings, s); err != nil {
			return err
		}
	}
	if err := out.apply(); err != nil {
		return err
	}
	if err := in.Errors(); err != nil {
		if len(out.results) == 0 && !out.holdsErrors() || o.output.Value == "yaml" {
			return err
		}
		fmt.Fprintf(s.ErrOut, "error: %v\n", err)
	}
	failed := false
	if c != nil {
		failed, err = c.fails(), c.write(s)
	} else {
		failed, err = slices.ContainsFunc(out.results, out.fails), out.write(s)
	}
	switch {
	case err != nil:
		return err
	case len(in.Problems) > 0:
		return cli.ErrInvalidInput
	case failed:
		return cli.ErrRejected
	}
	return nil
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

// Package export writes policies in the forms of other programs.
package export

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
)

const help = `Writes policies in a form that needs no server of shmkeeper. A POLICY is a built-in name, a
file, a directory, or - for standard input. No cluster is asked. To export the policies of one:

  kubectl get shmp -o yaml | kubectl shm export -

admission-policy  MutatingAdmissionPolicy and ValidatingAdmissionPolicy with their bindings, for
                  Kubernetes 1.36 and later. They do in the API server what the webhooks do, in
                  namespaces with the label shmkeeper.dev/mode: audit, warn or enforce.
kyverno           the same as MutatingPolicy and ValidatingPolicy (policies.kyverno.io/v1)
authentik         the kubernetes_json_patches of an outpost's configuration, for a policy that
                  matches the outposts
terraform         the same as a resource authentik_outpost

What the policies say and the output does not goes to standard error. Give all policies of a
cluster at once: where two match a Pod, only one may change it.`

const examples = `  # For a cluster that wants no webhook
  kubectl shm export authentik-proxy-outposts selenium

  # A policy of one's own, for Kyverno
  kubectl shm export -p examples/require-policy.yaml -o kyverno

  # For authentik, which makes the Deployments of its outposts
  kubectl shm export authentik-proxy-outposts -o authentik --memory-limit 256Mi`

// The formats of -o.
const (
	admissionPolicyFormat = "admission-policy"
	kyvernoFormat         = "kyverno"
	authentikFormat       = "authentik"
	terraformFormat       = "terraform"
)

type options struct {
	policies    []string
	output      cli.Choice
	memoryLimit string
}

// Command returns the command of the verb.
func Command(s cli.Streams) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:               "export POLICY...",
		Short:             "Write policies as admission policies, or for Kyverno, authentik or Terraform",
		Long:              help,
		Example:           examples,
		ValidArgsFunction: cobra.FixedCompletions(policyfile.BuiltInNames(), cobra.ShellCompDirectiveDefault),
		RunE:              func(_ *cobra.Command, args []string) error { return o.run(s, args) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.policies, "policy", "p", nil, "policies: a `file`, a directory, or a built-in name; may be repeated")
	f.StringVar(&o.memoryLimit, "memory-limit", "", "memory limit that an outpost has without the volume, as a `SIZE`, for -o authentik and terraform (default: the policy's memory.reserve)")
	o.output.AddOutput(cmd, admissionPolicyFormat, kyvernoFormat, authentikFormat, terraformFormat)
	cli.Complete(cmd, "policy", cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
	return cmd
}

func (o options) run(s cli.Streams, args []string) error {
	names := slices.Concat(args, o.policies)
	if len(names) == 0 {
		return errors.New("there is no policy to export: give its name or its file, or pipe those of a cluster: kubectl get shmp -o yaml | kubectl shm export -; kubectl shm policies lists the built-in ones")
	}
	forOutpost := o.output.Value == authentikFormat || o.output.Value == terraformFormat
	if o.memoryLimit != "" && !forOutpost {
		return fmt.Errorf("--memory-limit: has no effect with -o %s: remove it", o.output.Value)
	}
	loaded, err := policyfile.Load(names, s.In)
	if err != nil {
		return err
	}
	if !forOutpost {
		return writeAdmissionPolicies(s, loaded, o.output.Value == kyvernoFormat)
	}
	if len(loaded) > 1 {
		return fmt.Errorf("-o %s: %d policies are given, and an outpost has one: name the one that matches outposts", o.output.Value, len(loaded))
	}
	outpost, err := newOutpost(loaded[0], o.memoryLimit)
	if err != nil {
		return err
	}
	if o.output.Value == terraformFormat {
		return outpost.writeTerraform(s.Out)
	}
	return outpost.writeAuthentik(s.Out)
}

package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// PolicyFlags says which policies count: the cluster's own, or others instead.
type PolicyFlags struct {
	names, mirrors []string
}

// Add adds -p and --image-mirrors to a command.
func (f *PolicyFlags) Add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.names, "policy", "p", nil, "policies to use instead of the cluster's: a `file`, a directory, or a built-in name; may be repeated")
	f.AddMirrors(cmd)
	cli.Complete(cmd, "policy", cobra.ShellCompDirectiveDefault, policyfile.BuiltInNames())
}

// AddMirrors adds --image-mirrors alone, for a verb for which only the cluster's own policies count.
func (f *PolicyFlags) AddMirrors(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.mirrors, "image-mirrors", nil, "mirrors of registries, as the server has them: `MIRROR=REPOSITORY,...`")
}

// Policies are the policies that count.
type Policies struct {
	Set policy.Set
	// Sources are the policies as they were read, in no order.
	Sources []*v1alpha1.SharedMemoryPolicy
	// Mirrors are those of --image-mirrors.
	Mirrors policy.Mirrors
	// Whose says where they are from, for people.
	Whose string
}

// Load reads the policies: those of -p or, without it, those of the cluster. One of the cluster that is
// not valid is left out, and Notes says so.
func (f *PolicyFlags) Load(ctx context.Context, c *Cluster, stdin io.Reader) (*Policies, error) {
	mirrors, err := policy.ParseMirrors(f.mirrors)
	if err != nil {
		return nil, fmt.Errorf("--image-mirrors: %w", err)
	}
	out := &Policies{Mirrors: mirrors}
	var compiled []policy.Policy
	if len(f.names) > 0 {
		compiled, err = out.fromFiles(f.names, stdin)
	} else {
		compiled, err = out.fromCluster(ctx, c)
	}
	out.Set = policy.NewSet(compiled...).WithImageMirrors(mirrors)
	return out, err
}

func (p *Policies) fromFiles(names []string, stdin io.Reader) ([]policy.Policy, error) {
	p.Whose = "the policies of -p " + strings.Join(names, ", ")
	loaded, err := policyfile.Load(names, stdin)
	compiled := make([]policy.Policy, len(loaded))
	for i, l := range loaded {
		compiled[i] = l.Compiled
		p.Sources = append(p.Sources, l.Source)
	}
	return compiled, err
}

func (p *Policies) fromCluster(ctx context.Context, c *Cluster) ([]policy.Policy, error) {
	p.Whose = "the cluster's policies"
	var compiled []policy.Policy
	err := Each(ctx, c, &v1alpha1.SharedMemoryPolicyList{}, func(source *v1alpha1.SharedMemoryPolicy) error {
		one, errs := policy.Compile(source)
		if len(errs) > 0 {
			c.note("policy %q is not valid and is left out here, while a server that has seen an earlier version uses that: %v", source.Name, errs.ToAggregate())
			return nil
		}
		compiled = append(compiled, one)
		p.Sources = append(p.Sources, source)
		return nil
	})
	switch {
	case errors.Is(err, ErrMissingKind):
		return nil, fmt.Errorf("the cluster has no %s, as shmkeeper is not installed in it: install it, or name the policies to use with -p, such as -p authentik-proxy-outposts", kindOf(&v1alpha1.SharedMemoryPolicyList{}))
	case err == nil && len(compiled) == 0:
		c.note("the cluster has no policy, so nothing matches: apply some, or name the policies to use with -p (kubectl shm policies lists the built-in ones)")
	}
	return compiled, err
}
